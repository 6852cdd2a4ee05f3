package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/client"
	"gopkg.in/yaml.v2"

	"github.com/benchkeep/benchkeep/archive"
)

// problemsShown bounds the lines about what cannot be read.
const problemsShown = 10

// read reads the catalogue by way of the user's cache.
func (f *runsFlags) read(ctx context.Context, bkt objstore.Bucket) (*archive.Catalogue, error) {
	view := newWorkView("reading runs")
	defer view.end()
	o := archive.CatalogueOptions{Progress: view.show}
	if path, err := f.cachePath(bkt); err == nil {
		o.Cache = archive.OpenCache(path)
	}
	catalogue, err := archive.ReadCatalogue(ctx, bkt, o)
	if err == nil && o.Cache != nil {
		o.Cache.Save() //nolint:errcheck // where it cannot be kept, the next command reads again
	}
	return catalogue, ofBucket(bkt, err)
}

// find reads the catalogue for the sake of one run.
func (f *runsFlags) find(ctx context.Context, bkt objstore.Bucket, name string, scan bool) (*archive.Run, error) {
	catalogue, err := f.read(ctx, bkt)
	if err != nil {
		return nil, err
	}
	return catalogue.Find(name, scan)
}

// cachePath is the file of what is known of the bucket: below XDG_CACHE_HOME,
// or wherever the system keeps a user's caches.
func (f *runsFlags) cachePath(bkt objstore.Bucket) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	identity := sha256.Sum256([]byte(f.identity(bkt)))
	return filepath.Join(dir, "benchkeep", "runs-"+hex.EncodeToString(identity[:8])+".json"), nil
}

// identity tells buckets apart by what their configurations say of the place,
// and leaves out what they say of credentials.
func (f *runsFlags) identity(bkt objstore.Bucket) string {
	config := []byte(f.bucket.config)
	if f.bucket.configFile != "" {
		config, _ = os.ReadFile(f.bucket.configFile) // it was read a moment ago
	}
	var conf client.BucketConfig
	_ = yaml.Unmarshal(config, &conf) // likewise
	id := fmt.Sprintf("%s\n%s\n%s\n", bkt.Provider(), bkt.Name(), conf.Prefix)
	places, _ := conf.Config.(map[any]any)
	for _, key := range []string{"endpoint", "region", "bucket", "container", "container_name", "storage_account", "auth_url", "app_id", "namespace"} {
		id += fmt.Sprintf("%s=%v\n", key, places[key])
	}
	return id
}

// remarks tells what else is to be said of the archive. It is an error if
// something could not be read.
func (f *runsFlags) remarks(c *archive.Catalogue) error {
	for _, d := range c.Unfinished {
		fmt.Fprintf(os.Stderr, "benchkeep: run %s is deleted, but not all of it has gone: `benchkeep runs rm %s --yes` completes it\n", d.Run, d.Run)
	}
	return problems(c)
}

// problems tells what could not be read.
func problems(c *archive.Catalogue) error {
	if len(c.Problems) == 0 {
		return nil
	}
	for _, p := range c.Problems[:min(len(c.Problems), problemsShown)] {
		fmt.Fprintf(os.Stderr, "benchkeep: %v\n", p)
	}
	if more := len(c.Problems) - problemsShown; more > 0 {
		fmt.Fprintf(os.Stderr, "benchkeep: and %d more\n", more)
	}
	return incompleteError{errors.New("not everything could be read: " + plural(len(c.Problems), "object"))}
}
