package deploy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/benchkeep/benchkeep/test/harness"
)

func doc(t testing.TB, name string) string {
	t.Helper()
	return read(t, filepath.Join(harness.Root(t), "docs", name))
}

// TestTroubleshootingKnowsEveryAlert holds docs/troubleshooting.md to the alerts.
func TestTroubleshootingKnowsEveryAlert(t *testing.T) {
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, deployed(t, "alerts.yaml"))), &rules))
	text := doc(t, "troubleshooting.md")
	alerts := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			require.Contains(t, text, "| `"+r.Alert+"` |")
		}
	}
	require.NotEmpty(t, alerts)
	for _, m := range regexp.MustCompile("`(Benchkeep[A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
		require.True(t, alerts[m[1]], "there is no alert %s", m[1])
	}
}

// TestTroubleshootingKnowsEveryMessage holds docs/troubleshooting.md to the
// warnings and errors that the code logs, and the other way round.
func TestTroubleshootingKnowsEveryMessage(t *testing.T) {
	_, text, found := strings.Cut(doc(t, "troubleshooting.md"), "\nWarnings; ")
	require.True(t, found)
	warnings, text, found := strings.Cut(text, "\nErrors; ")
	require.True(t, found)
	errors, _, found := strings.Cut(text, "\n## ")
	require.True(t, found)
	row := regexp.MustCompile("(?m)^\\| (?:``(.+?)``|`(.+?)`) \\|")
	documented := map[string]string{}
	for level, table := range map[string]string{"Warn": warnings, "Error": errors} {
		for _, m := range row.FindAllStringSubmatch(table, -1) {
			documented[m[1]+m[2]] = level
		}
	}
	require.Equal(t, loggedMessages(t), documented)
}

// loggedMessages are the messages of warnings and errors in the product's code,
// with their level.
func loggedMessages(t testing.TB) map[string]string {
	t.Helper()
	messages := map[string]string{}
	for _, tree := range []string{"cmd", "receiver", "blockwriter", "archive"} {
		err := filepath.WalkDir(filepath.Join(harness.Root(t), tree), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if level, message := loggedBy(t, path, n); level != "" {
					messages[message] = level
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	return messages
}

// loggedBy gives level and message of a call of a logger's Warn or Error.
func loggedBy(t testing.TB, path string, n ast.Node) (level, message string) {
	t.Helper()
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", ""
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Warn" && method.Sel.Name != "Error" || !isLogger(method.X) {
		return "", ""
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	require.True(t, ok, "%s: a message is constant", path)
	message, err := strconv.Unquote(literal.Value)
	require.NoError(t, err)
	return method.Sel.Name, message
}

// isLogger tells by its name whether an expression is a logger.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "logger")
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "logger")
	}
	return false
}

func TestTroubleshootingKnowsEveryExitCode(t *testing.T) {
	text := doc(t, "troubleshooting.md")
	codes := regexp.MustCompile(`(?m)^\| (\d) \|`).FindAllString(read(t, filepath.Join(harness.Root(t), "README.md")), -1)
	require.Len(t, codes, 5)
	for _, row := range codes {
		require.Contains(t, text, "\n"+row)
	}
}

// fence is a block of code in a document.
var fence = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")

// TestDocsNameCommandsThatExist checks the commands in the documents' examples:
// of benchkeep every flag and variable, of make every target, of kubectl every
// folder, and what is linked.
func TestDocsNameCommandsThatExist(t *testing.T) {
	command := regexp.MustCompile(`benchkeep (receive|finish|resume)((?:\s+--[a-z.-]+=\S+)*)`)
	for _, name := range []string{"archive.md", "deploy.md", "migrate.md", "troubleshooting.md"} {
		t.Run(name, func(t *testing.T) {
			text := doc(t, name)
			for _, m := range command.FindAllStringSubmatch(text, -1) {
				requireFlags(t, m[1], m[2])
			}
			requireVariables(t, text)
			for _, m := range regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
				require.Regexp(t, `(?m)^`+m[1]+`:`, read(t, filepath.Join(harness.Root(t), "Makefile")))
			}
			for _, m := range regexp.MustCompile(`deploy/kubernetes/([A-Za-z-]+)`).FindAllStringSubmatch(text, -1) {
				require.Contains(t, layouts(t), m[1])
			}
		})
	}
}

// TestDocsLinkToWhatExists follows the links of the documents, to headings too.
func TestDocsLinkToWhatExists(t *testing.T) {
	root := harness.Root(t)
	for _, name := range []string{"docs/archive.md", "docs/deploy.md", "docs/migrate.md", "docs/troubleshooting.md", "deploy/README.md"} {
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(read(t, filepath.Join(root, name)), -1) {
			path, heading, _ := strings.Cut(m[1], "#")
			target := filepath.Join(root, filepath.Dir(name), path)
			if path == "" {
				target = filepath.Join(root, name)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", name, m[1])
			if heading != "" {
				require.Contains(t, headings(read(t, target)), heading, "%s links to %s", name, m[1])
			}
		}
	}
}

// headings are the anchors of a document.
func headings(text string) []string {
	var anchors []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}

// TestDocsExampleBuilds builds the kustomization that docs/deploy.md has a user
// write, on top of the layout here.
func TestDocsExampleBuilds(t *testing.T) {
	// The file system in memory needs no place from which the layout is reached.
	fs := filesys.MakeFsInMemory()
	root := deployed(t, "kubernetes")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return fs.WriteFile("/layouts/"+rel, []byte(read(t, path)))
	})
	require.NoError(t, err)
	remote := regexp.MustCompile(`https://github.com/benchkeep/benchkeep//deploy/kubernetes/(\S+)\?ref=v\d+\.\d+\.\d+`)
	for _, block := range fence.FindAllStringSubmatch(doc(t, "deploy.md"), -1) {
		first, _, _ := strings.Cut(block[1], "\n")
		if name, ok := strings.CutPrefix(first, "# "); ok && strings.HasPrefix(filepath.Ext(name), ".y") {
			require.NoError(t, fs.WriteFile("/user/"+name, []byte(remote.ReplaceAllString(block[1], "../layouts/$1"))))
		}
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/user")
	require.NoError(t, err)
	decode, jobs := strict(t), 0
	for _, r := range resources.Resources() {
		object, err := r.AsYAML()
		require.NoError(t, err)
		decoded, err := decode(object)
		require.NoError(t, err, "%s", object)
		switch o := decoded.(type) {
		case *corev1.ConfigMap:
			promtool(t, o.Data, []string{"--agent", "--storage.agent.path=x"})
			require.Contains(t, o.Data["benchmark.yml"], "product:8080")
		case *batchv1.Job:
			jobs++
			require.Equal(t, "benchmark-4711", o.Name)
			require.Equal(t, "main", o.Spec.Template.Annotations["benchkeep/branch"])
			spec := o.Spec.Template.Spec
			require.Equal(t, "benchkeep", spec.InitContainers[0].Name)
			require.Equal(t, "registry.example.com/benchmark:1.4.2", spec.Containers[0].Image)
			require.Equal(t, []string{"--duration=10m"}, spec.Containers[0].Args)
		}
	}
	require.Equal(t, 1, jobs)
}
