package archive

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValidateRunID(t *testing.T) {
	for _, good := range []string{
		"a", "7", "run-1", "Run_1.2", "01JGGQ2N4Y3Z5V8W9XABCDEFGH", "12345678-2", "jenkins-bench-main-17",
		"a..b", "a--", strings.Repeat("x", 128),
	} {
		t.Run(good, func(t *testing.T) {
			require.NoError(t, ValidateRunID(good))
			require.Equal(t, "benchkeep/runs/"+good, path.Dir(ManifestObject(good, "part")), "the id is one segment of the path")
		})
	}
	for _, bad := range []string{
		"", ".", "..", "../x", "a/b", "a/../b", "/a", `a\b`, ".hidden", "-flag", "_a", "a b", "a\n", "\na", "a\x00", "a:b", "a%2f",
		"läuft", "\xff", "run\u2024", strings.Repeat("x", 129),
	} {
		t.Run("not "+bad, func(t *testing.T) {
			require.ErrorContains(t, ValidateRunID(bad), "want 1 to 128 letters")
		})
	}
}

func TestObjectNames(t *testing.T) {
	require.Equal(t, "01JGGQ2N4Y3Z5V8W9XABCDEFGH/meta.json", BlockObject(blockID, MetaFile))
	require.Equal(t, "01JGGQ2N4Y3Z5V8W9XABCDEFGH/index", BlockObject(blockID, IndexFile))
	require.Equal(t, "01JGGQ2N4Y3Z5V8W9XABCDEFGH/chunks/000001", BlockObject(blockID, ChunksDir+"/000001"))
	require.Equal(t, "benchkeep/runs/run-1/01JGGQ.json", ManifestObject("run-1", "01JGGQ"))
	require.Equal(t, "benchkeep/runs/run-1/01JGGQ.json", (&Manifest{Run: "run-1", Part: "01JGGQ"}).Object())
}
