package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// programs is the repository's root: where what `make build tools` makes is.
type programs string

func (p programs) product() string { return filepath.Join(string(p), "bin", "benchkeep") }

func (p programs) tool(name string) string { return filepath.Join(string(p), ".cache", "bin", name) }

// A peer is one of the programs that are compared.
type peer struct {
	// name is how -peers names it, title how the tables do.
	name, title string
	// protocols are the versions of remote write that it takes.
	protocols []string
	// histograms tells that it takes native histograms.
	histograms bool
	// archives tells that it leaves blocks in the bucket when it ends.
	archives bool
	// start starts it in the stage's folder and waits until it is ready.
	start func(context.Context, *stage, bucket) (*receiver, error)

	programs
}

// A receiver is a peer that runs.
type receiver struct {
	*process
	// url takes remote write.
	url string
	// finish brings what was received into the bucket, and ends the program
	// and what the finish has started. A remark is about how long parts of it took.
	finish func(context.Context) (remark string, err error)
}

const (
	productName  = "benchkeep"
	optionalPeer = "victoriametrics"
)

// allPeers are all there are, benchkeep first.
func allPeers() []peer {
	return []peer{
		{
			name: productName, title: "benchkeep",
			protocols: []string{remoteWrite1, remoteWrite2}, histograms: true, archives: true, start: startBenchkeep,
		},
		{
			name: "thanos", title: "Thanos Receive",
			protocols: []string{remoteWrite1}, histograms: true, archives: true, start: startThanos,
		},
		{
			name: "prometheus", title: "Prometheus, snapshot, sidecar",
			protocols: []string{remoteWrite1, remoteWrite2}, histograms: true, archives: true, start: startPrometheus,
		},
		{
			name: optionalPeer, title: "VictoriaMetrics",
			protocols: []string{remoteWrite1}, start: startVictoriaMetrics,
		},
	}
}

func peerNames() (names []string) {
	for _, p := range allPeers() {
		names = append(names, p.name)
	}
	return names
}

// choosePeers gives the peers that were asked for, all of which are installed.
// benchkeep is always among them: the others are compared with it.
func choosePeers(o options) (chosen []peer, err error) {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return nil, err
	}
	for _, name := range o.peers {
		if !slices.Contains(peerNames(), name) {
			return nil, fmt.Errorf("-peers: no peer is called %q", name)
		}
	}
	for _, p := range allPeers() {
		asked := slices.Contains(o.peers, p.name)
		if len(o.peers) > 0 && !asked && p.name != productName {
			continue
		}
		if p.name == optionalPeer {
			if _, err := exec.LookPath(victoriaMetrics); err != nil && !asked {
				say("%s is left out: %s", p.title, err)
				continue
			} else if err != nil {
				return nil, fmt.Errorf("%w: install Debian's package %s", err, victoriaMetrics)
			}
		}
		p.programs = programs(root)
		chosen = append(chosen, p)
	}
	return chosen, programs(root).check()
}

// check checks that the programs of the repository are there.
func (p programs) check() error {
	for _, path := range []string{p.product(), p.tool("prometheus"), p.tool("thanos"), p.tool("versitygw")} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("program %s is missing: run `make build tools` first", path)
		}
	}
	return nil
}

// takes tells whether the peer can take the workload at all.
func (p peer) takes(w workload) bool {
	return slices.Contains(p.protocols, w.protocol) && (p.histograms || !w.histograms)
}

// untilExit is the finish of a program that needs no more than to be ended.
func (p *process) untilExit(ctx context.Context) (string, error) {
	if err := p.terminate(); err != nil {
		return "", err
	}
	return "", p.waitExit(ctx)
}

// runID is the id of benchkeep's run.
const runID = "bench"

func startBenchkeep(ctx context.Context, s *stage, b bucket) (*receiver, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := s.run(productName, s.product(), nil, "receive",
		"--run.id="+runID,
		"--storage.path="+filepath.Join(s.dir, "data"),
		"--objstore.config-file="+b.config,
		"--web.listen-address="+address)
	if err != nil {
		return nil, err
	}
	r := &receiver{process: p, url: "http://" + address + "/api/v1/write", finish: p.untilExit}
	return r, p.waitReady(ctx, "http://"+address+"/-/ready")
}

// startThanos starts Thanos Receive without a hash ring: it stores everything
// itself. At SIGTERM it cuts its head and uploads it.
func startThanos(ctx context.Context, s *stage, b bucket) (*receiver, error) {
	a, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	write, http, grpc := a[0], a[1], a[2]
	p, err := s.run("thanos-receive", s.tool("thanos"), nil, "receive",
		`--label=run="bench"`,
		"--tsdb.path="+filepath.Join(s.dir, "data"),
		"--objstore.config-file="+b.config,
		"--receive.local-endpoint="+grpc,
		"--remote-write.address="+write,
		"--http-address="+http,
		"--grpc-address="+grpc)
	if err != nil {
		return nil, err
	}
	r := &receiver{process: p, url: "http://" + write + "/api/v1/receive", finish: p.untilExit}
	return r, p.waitReady(ctx, "http://"+http+"/-/ready")
}

// victoriaMetrics is the name of Debian's package, and of its program.
const victoriaMetrics = "victoria-metrics"

func startVictoriaMetrics(ctx context.Context, s *stage, _ bucket) (*receiver, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(victoriaMetrics)
	if err != nil {
		return nil, err
	}
	p, err := s.run(victoriaMetrics, path, nil,
		"-storageDataPath="+filepath.Join(s.dir, "data"), "-httpListenAddr="+address)
	if err != nil {
		return nil, err
	}
	r := &receiver{process: p, url: "http://" + address + "/api/v1/write", finish: p.untilExit}
	return r, p.waitReady(ctx, "http://"+address+"/health")
}
