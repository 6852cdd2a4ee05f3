package kubernetes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// An image is a container image of one static program.
type image struct {
	// name is what manifests call it, registry and tag included.
	name string
	// program is the program's file, path where the image has it.
	program, path string
	config        imageConfig
}

// imageConfig is the part of an image's configuration that containers get.
type imageConfig struct {
	User       string
	WorkingDir string
	Entrypoint []string
	Env        []string
}

// Names of the test's own images: what holds a pod's network, which has nothing
// to do but to wait, and the benchmark.
const (
	pauseImage     = "localhost/pause:1"
	benchmarkImage = "localhost/benchmark:1"
)

// images are what the node needs: images of the manifests, but for that of the
// benchmark, which is the user's to choose, and the test's own.
func images(t testing.TB, dir string) []image {
	t.Helper()
	benchmark := filepath.Join(dir, "benchmark")
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", benchmark, "./benchmark")
	all := []image{
		{name: pauseImage, program: benchmark, path: "/pause", config: imageConfig{Entrypoint: []string{"/pause", "-listen=127.0.0.1:0"}}},
		{name: benchmarkImage, program: benchmark, path: "/benchmark", config: imageConfig{Entrypoint: []string{"/benchmark"}}},
		// The operator knows where the program is.
		{name: reloaderImage, program: find(t, goPrograms, "prometheus-config-reloader"), path: "/bin/prometheus-config-reloader"},
	}
	for _, name := range imageNames(t) {
		switch {
		case strings.Contains(name, "/benchkeep:"):
			all = append(all, benchkeepImage(t, name))
		case strings.Contains(name, "/prometheus:"):
			all = append(all, image{
				name: name, program: find(t, goPrograms, "prometheus-kubernetes"), path: "/bin/prometheus",
				// As the published image has it.
				config: imageConfig{User: "nobody", WorkingDir: "/prometheus", Entrypoint: []string{"/bin/prometheus"}},
			})
		}
	}
	return all
}

// benchkeepImage is the image that the Dockerfile makes, as far as containers
// can tell.
func benchkeepImage(t testing.TB, name string) image {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(harness.Root(t), "Dockerfile"))
	require.NoError(t, err)
	_, last, ok := strings.Cut(string(dockerfile), "\nFROM gcr.io/distroless/static-debian12:nonroot\n")
	require.True(t, ok, "the Dockerfile's last stage has another base")
	of := func(pattern string) string {
		found := regexp.MustCompile("(?m)^" + pattern + "$").FindStringSubmatch(last)
		require.NotNil(t, found, "no %s in the Dockerfile's last stage", pattern)
		return found[1]
	}
	i := image{name: name, program: find(t, "bin", "benchkeep"), path: of(`COPY --from=build \S+ (\S+)`)}
	i.config = imageConfig{
		User:       of(`USER (\S+)`),
		WorkingDir: of(`WORKDIR (\S+)`),
		// The base's own.
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	require.NoError(t, json.Unmarshal([]byte(of(`ENTRYPOINT (\[.*\])`)), &i.config.Entrypoint))
	return i
}

// archive writes the image as `docker save` does.
func (i image) archive(t testing.TB, path string) {
	t.Helper()
	program, err := os.ReadFile(i.program)
	require.NoError(t, err)
	layer := archiveOf(t, 0o755, file{strings.TrimPrefix(i.path, "/"), program})
	digest := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           runtime.GOOS,
		"config":       i.config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest[:])}},
	})
	require.NoError(t, err)
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"},
	}})
	require.NoError(t, err)
	all := archiveOf(t, 0o644, file{"manifest.json", manifest}, file{"config.json", config}, file{"layer.tar", layer})
	require.NoError(t, os.WriteFile(path, all, 0o644))
}

type file struct {
	name    string
	content []byte
}

func archiveOf(t testing.TB, mode int64, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: mode, Size: int64(len(f.content))}))
		_, err := io.Copy(w, bytes.NewReader(f.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}
