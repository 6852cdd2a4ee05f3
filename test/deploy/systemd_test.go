package deploy

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

func TestSystemdUnit(t *testing.T) {
	text := read(t, deployed(t, "systemd", "benchkeep.service"))
	options, err := unit.DeserializeOptions(strings.NewReader(text))
	require.NoError(t, err)
	set := map[string]string{}
	for _, o := range options {
		set[o.Section+"."+o.Name] = o.Value
	}

	start := strings.Fields(strings.ReplaceAll(set["Service.ExecStart"], "\\\n", " "))
	require.Equal(t, "receive", start[1])
	requireFlags(t, "receive", strings.Join(start, " "))
	requireVariables(t, text)
	stop, err := time.ParseDuration(set["Service.TimeoutStopSec"])
	require.NoError(t, err)
	require.Greater(t, stop, duration(t, start, "finish.timeout"))
	require.Equal(t, "on-failure", set["Service.Restart"])
	require.Equal(t, "1 2 3", set["Service.RestartPreventExitStatus"], "the exit codes that are answers")
	require.Equal(t, "prometheus.service", set["Unit.Before"], "what starts first is stopped last")
	require.Equal(t, "yes", set["Service.DynamicUser"])
	require.NotEmpty(t, set["Service.MemoryMax"])

	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: the library's word has to do")
		return
	}
	here := harness.WriteFile(t, harness.Dir(t), "benchkeep.service", strings.ReplaceAll(text, "/usr/local/bin/benchkeep", benchkeep(t)))
	out, err := exec.Command(verify, "verify", here).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
