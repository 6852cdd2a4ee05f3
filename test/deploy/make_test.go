package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestDistIsTheImagesBuild: `make dist` and the image have one way to compile.
func TestDistIsTheImagesBuild(t *testing.T) {
	dry := exec.Command("make", "--dry-run", "dist", "VERSION=v1.2.3", "COMMIT=0123abc")
	dry.Dir = harness.Root(t)
	out, err := dry.Output()
	require.NoError(t, err)
	flags := regexp.MustCompile(`go build (-trimpath -buildvcs=false) .*-ldflags ["']([^"']+)["']`)
	dist := flags.FindStringSubmatch(string(out))
	require.Len(t, dist, 3, "%s", out)
	require.Contains(t, string(out), "for arch in amd64 arm64")
	require.Contains(t, string(out), "sha256sum")

	for _, c := range dockerfile(t)[0].Commands {
		run, ok := c.(*instructions.RunCommand)
		if !ok || !strings.Contains(run.CmdLine[0], "go build") {
			continue
		}
		image := flags.FindStringSubmatch(strings.Join(run.CmdLine, " "))
		require.Len(t, image, 3, "%s", run.CmdLine)
		require.Equal(t, dist[1], image[1])
		require.Equal(t, dist[2], strings.NewReplacer("$VERSION", "v1.2.3", "$COMMIT", "0123abc").Replace(image[2]))
		return
	}
	t.Fatal("the Dockerfile builds nothing")
}

// TestMakeImageTakesTheBuilderThatIsThere puts stand-ins on the PATH, which
// print what they are asked for.
func TestMakeImageTakesTheBuilderThatIsThere(t *testing.T) {
	const (
		works     = "#!/usr/bin/env bash\necho \"${0##*/} $*\"\n"
		noEngine  = "#!/usr/bin/env bash\nexit 1\n"
		arguments = "--build-arg VERSION=v1.2.3 --build-arg COMMIT=0123abc -t ghcr.io/benchkeep/benchkeep:v1.2.3 ."
	)
	for _, c := range []struct {
		name     string
		builders map[string]string
		says     string
		fails    bool
	}{
		{"docker", map[string]string{"docker": works}, "docker build " + arguments, false},
		{"both", map[string]string{"docker": works, "buildah": works}, "docker build " + arguments, false},
		{"buildah", map[string]string{"buildah": works}, "buildah build --layers " + arguments, false},
		{"docker without an engine", map[string]string{"docker": noEngine, "buildah": works}, "buildah build --layers " + arguments, false},
		{"only docker without an engine", map[string]string{"docker": noEngine}, "no engine answers", true},
		{"none", nil, "no image builder: install docker or buildah", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := harness.Sub(t, harness.Dir(t), "bin")
			for _, needed := range []string{"bash", "make"} {
				found, err := exec.LookPath(needed)
				require.NoError(t, err)
				require.NoError(t, os.Symlink(found, filepath.Join(path, needed)))
			}
			for name, script := range c.builders {
				require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte(script), 0o755))
			}
			image := exec.Command("make", "--silent", "image", "VERSION=v1.2.3", "COMMIT=0123abc", "PLATFORM=")
			image.Dir, image.Env = harness.Root(t), []string{"PATH=" + path}
			out, err := image.CombinedOutput()
			require.Contains(t, string(out), c.says)
			require.Equal(t, c.fails, err != nil)
		})
	}
}
