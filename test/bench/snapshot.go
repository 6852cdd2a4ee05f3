package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
)

// sidecarPoll is how often the snapshot script looks whether the sidecar is done.
const sidecarPoll = 5 * time.Second

// A snapshotter is a Prometheus that receives, and archives as scripts in
// preStop hooks do: the admin API makes a snapshot, and a Thanos sidecar is
// started on it, looked at every five seconds, and ended.
type snapshotter struct {
	*stage
	*process
	url    string
	data   string
	bucket bucket
}

func startPrometheus(ctx context.Context, s *stage, b bucket) (*receiver, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config, err := s.file("prometheus.yml", "global: {external_labels: {run: bench}}\n")
	if err != nil {
		return nil, err
	}
	x := &snapshotter{stage: s, url: "http://" + address, data: filepath.Join(s.dir, "data"), bucket: b}
	x.process, err = s.run("prometheus", s.tool("prometheus"), nil,
		"--config.file="+config,
		"--storage.tsdb.path="+x.data,
		"--storage.tsdb.min-block-duration=2h",
		"--storage.tsdb.max-block-duration=2h",
		"--web.listen-address="+address,
		"--web.enable-remote-write-receiver",
		"--web.enable-admin-api")
	if err != nil {
		return nil, err
	}
	r := &receiver{process: x.process, url: x.url + "/api/v1/write", finish: x.finish}
	return r, x.waitReady(ctx, x.url+"/-/ready")
}

func (x *snapshotter) finish(ctx context.Context) (remark string, err error) {
	begin := time.Now()
	snapshot, err := x.snapshot(ctx)
	if err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	made := time.Since(begin)
	started := time.Now()
	sidecar, err := x.startSidecar(snapshot)
	if err != nil {
		return "", err
	}
	if err := waitUploaded(ctx, snapshot); err != nil {
		return "", err
	}
	uploaded := time.Since(started)
	// The script sleeps first, and looks then.
	looks := uploaded/sidecarPoll + 1
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(looks*sidecarPoll - uploaded):
	}
	for _, p := range []*process{sidecar, x.process} {
		if err := p.terminate(); err != nil {
			return "", err
		}
	}
	remark = fmt.Sprintf("The snapshot took %.1f s, the sidecar was done %.1f s later; the script looks every %s.",
		made.Seconds(), uploaded.Seconds(), sidecarPoll)
	return remark, errors.Join(sidecar.waitExit(ctx), x.waitExit(ctx))
}

// snapshot makes a snapshot and gives its folder.
func (x *snapshotter) snapshot(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+"/api/v1/admin/tsdb/snapshot", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Data  struct{ Name string }
		Error string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Data.Name == "" {
		return "", fmt.Errorf("answer %s: %s", resp.Status, answer.Error)
	}
	return filepath.Join(x.data, "snapshots", answer.Data.Name), nil
}

func (x *snapshotter) startSidecar(snapshot string) (*process, error) {
	a, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	return x.run("thanos-sidecar", x.tool("thanos"), nil, "sidecar",
		"--tsdb.path="+snapshot,
		"--prometheus.url="+x.url,
		"--objstore.config-file="+x.bucket.config,
		"--http-address="+a[0],
		"--grpc-address="+a[1])
}

// waitUploaded waits until the sidecar's record names all blocks of the snapshot.
func waitUploaded(ctx context.Context, snapshot string) error {
	entries, err := os.ReadDir(snapshot)
	if err != nil {
		return err
	}
	var blocks []string
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil {
			blocks = append(blocks, e.Name())
		}
	}
	if len(blocks) == 0 {
		return errors.New("the snapshot has no blocks")
	}
	return wait(ctx, "the sidecar to upload the snapshot", func() error {
		raw, err := os.ReadFile(filepath.Join(snapshot, "thanos.shipper.json"))
		if err != nil {
			return err
		}
		var record struct{ Uploaded []string }
		if err := json.Unmarshal(raw, &record); err != nil {
			return err
		}
		for _, block := range blocks {
			if !slices.Contains(record.Uploaded, block) {
				return fmt.Errorf("block %s is not uploaded", block)
			}
		}
		return nil
	})
}
