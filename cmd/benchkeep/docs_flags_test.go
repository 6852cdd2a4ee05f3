package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocsNameFlagsThatExist looks up every flag that a document names in
// running text. Flags of other programs have no place there but in examples.
func TestDocsNameFlagsThatExist(t *testing.T) {
	app, _ := newApp()
	flags := map[string]bool{}
	for _, c := range append(app.Model().Commands, app.Model().FlattenedCommands()...) {
		for _, f := range c.Flags {
			flags[f.Name] = true
		}
	}
	docs, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`--(?:\\[no-\\])?([a-z][a-z.-]*)")
	for _, path := range append(docs, "../../README.md") {
		doc, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range named.FindAllStringSubmatch(string(doc), -1) {
			require.True(t, flags[m[1]], "%s names --%s, and no command has it", path, m[1])
		}
	}
}
