package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/stretchr/testify/require"
)

// TestReadmeListsTheFlags compares the README's table of flags with what the
// program takes. The message of a failure is the table as it should be.
func TestReadmeListsTheFlags(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(readme), "<!-- flags of receive -->\n")
	require.True(t, found)
	table, _, found = strings.Cut(table, "<!-- end of flags -->")
	require.True(t, found)
	want := flagTable(t, "receive")
	require.Equal(t, want, table, "README.md wants this table:\n%s", want)
}

func flagTable(t *testing.T, command string) string {
	app, _ := newApp()
	// Parsing fills in the names of environment variables.
	_, err := app.Parse([]string{"version"})
	require.NoError(t, err)
	out := "| flag | default | |\n|---|---|---|\n"
	for _, c := range app.Model().Commands {
		if c.Name != command {
			continue
		}
		for _, f := range c.Flags {
			if !f.Hidden {
				out += flagRow(f)
			}
		}
	}
	return out
}

func flagRow(f *kingpin.FlagModel) string {
	name := f.Name
	switch {
	case f.IsBoolFlag():
		name = "[no-]" + name
	case f.PlaceHolder != "":
		name += "=" + f.PlaceHolder
	}
	value := strings.Join(f.Default, ",")
	if value != "" {
		value = "`" + value + "`"
	}
	return fmt.Sprintf("| `--%s` | %s | %s |\n", name, value, f.Help)
}

// TestEveryFlagHasItsEnvironmentVariable checks the rule that the help states.
func TestEveryFlagHasItsEnvironmentVariable(t *testing.T) {
	app, _ := newApp()
	_, err := app.Parse([]string{"version"})
	require.NoError(t, err)
	for _, c := range append(app.Model().Commands, app.Model().FlattenedCommands()...) {
		for _, f := range c.Flags {
			if c.Name == "help" {
				continue
			}
			want := "BENCHKEEP_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(f.Name))
			require.Equal(t, want, f.Envar, "flag --%s of %s", f.Name, c.Name)
		}
	}
}

// TestDocsListTheMetrics compares the docs with the list that the receiver's
// own tests hold against the program.
func TestDocsListTheMetrics(t *testing.T) {
	docs, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	metrics, err := os.ReadFile("../../receiver/testdata/metrics.golden")
	require.NoError(t, err)
	require.Contains(t, string(docs), "```\n"+string(metrics)+"```\n")
}

// TestGuaranteesNameTheirProof checks that every test that docs/guarantees.md
// names exists.
func TestGuaranteesNameTheirProof(t *testing.T) {
	docs, err := os.ReadFile("../../docs/guarantees.md")
	require.NoError(t, err)
	files, err := filepath.Glob("../../*/*_test.go")
	require.NoError(t, err)
	more, err := filepath.Glob("../../test/*/*_test.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, f := range append(files, more...) {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		code.Write(data)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(docs), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, code.String(), "func "+name[1]+"(t *testing.T)", "docs/guarantees.md names it")
	}
}
