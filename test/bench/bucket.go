package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

const (
	bucketName = "benchmarks"
	accessKey  = "benchkeep"
	secretKey  = "not-a-secret"
)

// A bucket is one on an S3 server that stores objects as plain files.
type bucket struct {
	// dir is the bucket's folder.
	dir string
	// config is the path of Thanos' objstore YAML for it.
	config string
}

// startBucket starts an S3 server with one empty bucket.
func (s *stage) startBucket(ctx context.Context) (b bucket, err error) {
	// Object metadata goes to a folder of its own, because not every file
	// system has extended attributes.
	sidecar, err := s.subfolder("metadata")
	if err != nil {
		return b, err
	}
	if b.dir, err = s.subfolder("s3", bucketName); err != nil {
		return b, err
	}
	address, err := freeAddress()
	if err != nil {
		return b, err
	}
	env := []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	server, err := s.run("versitygw", s.tool("versitygw"), env,
		"--quiet", "--port", address, "--health", "/health", "posix", "--sidecar", sidecar, filepath.Dir(b.dir))
	if err != nil {
		return b, err
	}
	b.config, err = s.file("objstore.yml", fmt.Sprintf(`type: S3
config:
  bucket: %s
  endpoint: %s
  region: us-east-1
  insecure: true
  access_key: %s
  secret_key: %s
`, bucketName, address, accessKey, secretKey))
	if err != nil {
		return b, err
	}
	return b, server.waitReady(ctx, "http://"+address+"/health")
}

// bytes is the size of everything in the bucket.
func (b bucket) bytes() (n int64, err error) {
	err = filepath.WalkDir(b.dir, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), "."): // the server's own
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// samples reads the bucket's blocks and counts their samples. Blocks without
// meta.json do not count: nobody reads them.
func (b bucket) samples(ctx context.Context) (n int64, err error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil {
			continue
		}
		block := filepath.Join(b.dir, e.Name())
		if _, err := os.Stat(filepath.Join(block, "meta.json")); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		inBlock, err := countSamples(ctx, block)
		if err != nil {
			return 0, fmt.Errorf("read block %s: %w", e.Name(), err)
		}
		n += inBlock
	}
	return n, nil
}

// countSamples decodes the samples of a block.
func countSamples(ctx context.Context, dir string) (n int64, err error) {
	block, err := tsdb.OpenBlock(nil, dir, nil, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, block.Close()) }()
	ir, err := block.Index()
	if err != nil {
		return 0, err
	}
	defer ir.Close() // it was only read
	cr, err := block.Chunks()
	if err != nil {
		return 0, err
	}
	defer cr.Close() // it was only read
	name, value := index.AllPostingsKey()
	postings, err := ir.Postings(ctx, name, value)
	if err != nil {
		return 0, err
	}
	var series labels.ScratchBuilder
	var metas []chunks.Meta
	var it chunkenc.Iterator
	for postings.Next() {
		if err := ir.Series(postings.At(), &series, &metas); err != nil {
			return 0, err
		}
		for _, meta := range metas {
			chunk, _, err := cr.ChunkOrIterable(meta)
			if err != nil {
				return 0, err
			}
			for it = chunk.Iterator(it); it.Next() != chunkenc.ValNone; n++ {
			}
			if err := it.Err(); err != nil {
				return 0, err
			}
		}
	}
	return n, postings.Err()
}

// A manifest is what is read of benchkeep's record of a run.
type manifest struct {
	State                       string
	Complete                    bool
	Received, Written, Archived int64
	Duplicates                  int64
}

// checkManifest checks that benchkeep has accounted for exactly what was sent.
func (b bucket) checkManifest(sent int64) error {
	files, err := filepath.Glob(filepath.Join(b.dir, "benchkeep", "runs", runID, "*.json"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("the run has %d manifests", len(files))
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("decode manifest: %w", err)
	}
	if m.State != "archived" || !m.Complete || m.Written != sent || m.Archived != sent || m.Received != m.Written+m.Duplicates {
		return fmt.Errorf("%d samples were sent, the manifest says %+v", sent, m)
	}
	return nil
}
