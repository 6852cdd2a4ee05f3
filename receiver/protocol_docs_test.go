package receiver

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(?:/([^`]+))?`")

// TestProtocolTableNamesItsTests makes sure that every row of docs/protocol.md
// names a test that shows it, and that these tests exist.
func TestProtocolTableNamesItsTests(t *testing.T) {
	sources := testSources(t)
	rows := 0
	for _, cells := range tableRows(t, "../docs/protocol.md") {
		require.Len(t, cells, 4, "%v", cells)
		if cells[0] == "where" {
			continue
		}
		rows++
		named := testName.FindAllStringSubmatch(cells[3], -1)
		require.NotEmpty(t, named, "no test shows %q", cells[1])
		require.Empty(t, strings.TrimSpace(testName.ReplaceAllString(cells[3], "")), "nothing but tests: %q", cells[1])
		for _, name := range named {
			body := functionsIn(sources, name[1])
			require.NotEmpty(t, body, "there is no %s", name[1])
			if name[2] != "" {
				require.Contains(t, body, `"`+name[2]+`"`, "%s has no such case", name[1])
			}
		}
	}
	require.Greater(t, rows, 50, "the tables are read")
}

// tableRows are the cells of all table rows of a document, headings included.
func tableRows(t *testing.T, path string) (rows [][]string) {
	t.Helper()
	doc, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(doc)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// testSources is the text of all tests.
func testSources(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, pattern := range []string{"../*/*_test.go", "../test/*/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			text.Write(source)
		}
	}
	return text.String()
}

// functionsIn is the text of all functions of a name, empty if there is none.
func functionsIn(source, name string) (text string) {
	for _, after := range strings.Split(source, "\nfunc "+name+"(")[1:] {
		body, _, _ := strings.Cut(after, "\n}\n")
		text += body
	}
	return text
}
