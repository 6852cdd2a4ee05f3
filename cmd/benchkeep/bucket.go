package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/client"
	"github.com/thanos-io/objstore/providers/filesystem"
	"gopkg.in/yaml.v2"

	"github.com/benchkeep/benchkeep/archive"
)

// embeddedBucket is where blocks go when no bucket is configured.
const embeddedBucket = "./benchkeep-bucket"

// bucketFlags choose the bucket, as Thanos' components do.
type bucketFlags struct {
	config, configFile string
}

func addBucketFlags(cmd *kingpin.CmdClause) *bucketFlags {
	var f bucketFlags
	cmd.Flag("objstore.config", "Bucket, as Thanos' objstore YAML. Without one, blocks go to the directory "+embeddedBucket+".").
		PlaceHolder("<yaml>").StringVar(&f.config)
	cmd.Flag("objstore.config-file", "File with the bucket's objstore YAML, any provider that Thanos knows.").
		PlaceHolder("<path>").StringVar(&f.configFile)
	return &f
}

// open makes a client of the bucket. It does not connect yet. The umask is for
// what lies in a local directory.
func (f *bucketFlags) open(logger *slog.Logger, umask fs.FileMode) (objstore.Bucket, error) {
	config, flag := []byte(f.config), "--objstore.config"
	switch {
	case f.config != "" && f.configFile != "":
		return nil, errors.New("--objstore.config and --objstore.config-file exclude each other")
	case f.configFile != "":
		flag = "--objstore.config-file=" + f.configFile
		var err error
		if config, err = os.ReadFile(f.configFile); err != nil {
			return nil, fmt.Errorf("--objstore.config-file: %w", err)
		}
	case f.config == "":
		dir, err := filepath.Abs(embeddedBucket)
		if err != nil {
			return nil, err
		}
		logger.Info("no bucket is configured, blocks go to a local directory", "directory", dir)
		config = fmt.Appendf(nil, "type: FILESYSTEM\nconfig:\n  directory: %q\n", dir)
	}
	bkt, err := newBucket(logger, config, umask)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", flag, withoutValues(err))
	}
	return bkt, nil
}

// newBucket is objstore's own factory, but for local directories, whose
// objects have to be whole after a crash.
func newBucket(logger *slog.Logger, config []byte, umask fs.FileMode) (objstore.Bucket, error) {
	var conf client.BucketConfig
	if err := yaml.UnmarshalStrict(config, &conf); err != nil {
		return nil, err
	}
	if !strings.EqualFold(string(conf.Type), string(objstore.FILESYSTEM)) {
		return client.NewBucketFromConfig(goKitLogger{logger}, &conf, "benchkeep", nil)
	}
	section, err := yaml.Marshal(conf.Config)
	if err != nil {
		return nil, err
	}
	var local filesystem.Config
	if err := yaml.UnmarshalStrict(section, &local); err != nil {
		return nil, err
	}
	if local.Directory == "" {
		return nil, errors.New("config.directory of a FILESYSTEM bucket is empty")
	}
	bkt, err := archive.NewDirectoryBucket(local.Directory, umask)
	if err != nil {
		return nil, err
	}
	return objstore.NewPrefixedBucket(bkt, conf.Prefix), nil
}

// inConfig is what an error may quote of a configuration: a value of the wrong
// type, a name that is not known, an anchor or a tag. Where secrets are, it may
// be one.
var inConfig = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|'[^']*'|(field|key|anchor|type|alias|tag) \\S+|!!\\S+ \\S+")

// withoutValues gives an error's text without what it quotes; lines and what
// was expected there stay.
func withoutValues(err error) string {
	return inConfig.ReplaceAllStringFunc(err.Error(), func(found string) string {
		if word, _, ok := strings.Cut(found, " "); ok && !strings.ContainsAny(found[:1], "`\"'") {
			return word + " …"
		}
		return "…"
	})
}

// goKitLogger hands objstore's log lines on. They tell of set-up only, nothing
// that a user has to read.
type goKitLogger struct{ to *slog.Logger }

func (l goKitLogger) Log(keyvals ...any) error {
	message := "objstore"
	var rest []any
	for i := 0; i+1 < len(keyvals); i += 2 {
		key := fmt.Sprint(keyvals[i])
		if key == "msg" {
			message = fmt.Sprint(keyvals[i+1])
			continue
		}
		rest = append(rest, key, keyvals[i+1])
	}
	l.to.Log(context.Background(), slog.LevelDebug, message, rest...)
	return nil
}
