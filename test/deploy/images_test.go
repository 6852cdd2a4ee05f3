package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// pinned is an image with registry, name, and a version of three numbers.
var pinned = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+(/[a-z0-9-]+)+:v?\d+\.\d+\.\d+$`)

// TestImagesArePinned holds everything that names an image to one version of
// it, and Prometheus' to the one that the tests run.
func TestImagesArePinned(t *testing.T) {
	images := map[string]string{
		"quay.io/prometheus/prometheus": prometheusVersion(t),
		"quay.io/thanos/thanos":         thanosVersion(t),
	}
	check := func(image string) {
		require.Regexp(t, pinned, image)
		name, version, _ := strings.Cut(image, ":")
		if known, ok := images[name]; ok {
			require.Equal(t, known, version, name)
		}
		images[name] = version
	}
	for _, layout := range layouts(t) {
		for _, p := range pods(t, layout) {
			for _, c := range slices.Concat(p.spec.InitContainers, p.spec.Containers) {
				check(c.Image)
			}
		}
	}
	for _, c := range archiveContainers(t) {
		check(c.Image)
	}
	archive, err := project(t, "archive").WithProfiles([]string{"*"})
	require.NoError(t, err)
	for _, p := range []*types.Project{project(t, "compose"), archive} {
		for _, s := range p.Services {
			check(s.Image)
		}
	}
	require.Contains(t, images, "ghcr.io/benchkeep/benchkeep")
	require.Contains(t, images, "docker.io/grafana/grafana")
}

// prometheusVersion is the release that the tests' Prometheus is: its module
// v0.XYY.Z is the release vX.YY.Z.
func prometheusVersion(t testing.TB) string {
	t.Helper()
	mod := read(t, filepath.Join(harness.Root(t), "test", "tools", "prometheus", "go.mod"))
	m := regexp.MustCompile(`github.com/prometheus/prometheus v0\.(\d)0?(\d+)\.(\d+)`).FindStringSubmatch(mod)
	require.Len(t, m, 4)
	return "v" + strings.Join(m[1:], ".")
}

// thanosVersion is the release that the tests' Thanos is.
func thanosVersion(t testing.TB) string {
	t.Helper()
	mod := read(t, filepath.Join(harness.Root(t), "test", "tools", "thanos", "go.mod"))
	m := regexp.MustCompile(`github.com/thanos-io/thanos (v\d+\.\d+\.\d+)`).FindStringSubmatch(mod)
	require.Len(t, m, 2)
	return m[1]
}

// dockerfile gives the stages of the Dockerfile.
func dockerfile(t testing.TB) []instructions.Stage {
	t.Helper()
	f, err := os.Open(filepath.Join(harness.Root(t), "Dockerfile"))
	require.NoError(t, err)
	defer f.Close()
	parsed, err := parser.Parse(f)
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	stages, _, err := instructions.Parse(parsed.AST, nil)
	require.NoError(t, err)
	require.Len(t, stages, 2)
	return stages
}

func TestImage(t *testing.T) {
	stages := dockerfile(t)
	require.Equal(t, "$BUILDPLATFORM", stages[0].Platform)
	require.Regexp(t, `^golang:1\.26\.\d+-`, stages[0].BaseName)
	require.Regexp(t, `^gcr\.io/distroless/static-debian\d+:nonroot$`, stages[1].BaseName)

	labels := map[string]string{}
	var user, program string
	for _, c := range stages[1].Commands {
		switch c := c.(type) {
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				labels[strings.TrimPrefix(l.Key, "org.opencontainers.image.")] = strings.Trim(l.Value, `"`)
			}
		case *instructions.UserCommand:
			user = c.User
		case *instructions.CopyCommand:
			require.Equal(t, "build", c.From)
			program = c.DestPath
		case *instructions.EntrypointCommand:
			require.Equal(t, []string{program}, []string(c.CmdLine))
		case *instructions.CmdCommand:
			requireFlags(t, c.CmdLine[0], strings.Join(c.CmdLine, " "))
		case *instructions.ExposeCommand:
			require.Equal(t, []string{"19291"}, c.Ports)
		}
	}
	require.Equal(t, "/usr/bin/benchkeep", program, "`benchkeep finish` is looked for on the PATH")
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, user, "runAsNonRoot wants a number")
	for _, key := range []string{"title", "description", "source", "documentation", "licenses", "version", "revision"} {
		require.NotEmpty(t, labels[key], key)
	}
	for _, c := range stages[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok {
			require.Contains(t, run.FlagsUsed, "mount", run)
		}
	}
}

// TestImageBuilds does outside Docker what the image's build stage does, twice,
// in two folders: what is copied is enough, and the bytes are the same.
func TestImageBuilds(t *testing.T) {
	dir := harness.Dir(t)
	var built [][]byte
	for _, name := range []string{"one", "two"} {
		output := buildStage(t, filepath.Join(harness.Sub(t, dir, name), "src"))
		data, err := os.ReadFile(output)
		require.NoError(t, err)
		built = append(built, data)

		version, err := exec.Command(output, "version").Output()
		require.NoError(t, err)
		require.Contains(t, string(version), "v1.2.3")
		require.Contains(t, string(version), "0123abc")
	}
	require.True(t, slices.Equal(built[0], built[1]), "the two builds differ")
	requireSBOMs(t, filepath.Join(dir, "one", "benchkeep"), filepath.Join(dir, "two", "benchkeep"))
}

// buildStage runs the commands of the first stage in a folder in place of the
// image's, and gives the program that they build.
func buildStage(t testing.TB, dir string) string {
	t.Helper()
	root, output := harness.Root(t), filepath.Join(filepath.Dir(dir), "benchkeep")
	env := append(os.Environ(), "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=v1.2.3", "COMMIT=0123abc")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, c := range dockerfile(t)[0].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				copyTo(t, filepath.Join(root, source), filepath.Join(dir, strings.TrimPrefix(c.DestPath, "./"), filepath.Base(source)), c.DestPath != "./")
			}
		case *instructions.RunCommand:
			command := strings.ReplaceAll(strings.Join(c.CmdLine, " "), "-o /benchkeep ", "-o "+output+" ")
			run := exec.Command("sh", "-c", command)
			run.Dir, run.Env = dir, env
			out, err := run.CombinedOutput()
			require.NoError(t, err, "%s\n%s", command, out)
		}
	}
	return output
}

// copyTo copies a file, or a folder's content to where it is to be.
func copyTo(t testing.TB, from, to string, folder bool) {
	t.Helper()
	if folder {
		require.NoError(t, os.CopyFS(filepath.Dir(to), os.DirFS(from)))
		return
	}
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o644))
}

// requireSBOMs checks that two builds have one SBOM, which names what the
// program is made of.
func requireSBOMs(t testing.TB, programs ...string) {
	t.Helper()
	var boms []string
	for _, p := range programs {
		bom, err := exec.Command(program(t, ".cache", "bin", "cyclonedx-gomod"),
			"bin", "-json", "-noserial", "-notimestamp", "-std", "-version", "v1.2.3", p).Output()
		require.NoError(t, err)
		boms = append(boms, string(bom))
	}
	require.Equal(t, boms[0], boms[1])
	for _, module := range []string{"github.com/prometheus/prometheus@v0.315.0", "github.com/thanos-io/objstore@", "golang/std@"} {
		require.Contains(t, boms[0], module)
	}
}
