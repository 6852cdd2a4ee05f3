package blockwriter

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLibraryLogsOneLevelLower(t *testing.T) {
	logAll := func(level slog.Level) []string {
		var out bytes.Buffer
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		logger := slog.New(quiet{handler})
		logger.Debug("one")
		logger.Info("two")
		logger.With("block", 1).Info("three", "k", "v")
		logger.WithGroup("g").Info("four", "k", "v")
		logger.Warn("five")
		logger.WithGroup("g").With("a", 1).Error("six")
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	loud := []string{"level=WARN msg=five", "level=ERROR msg=six g.a=1"}
	require.Equal(t, loud, logAll(slog.LevelInfo), "information is detail to a user")
	require.Equal(t, append([]string{
		"level=DEBUG msg=one", "level=DEBUG msg=two", "level=DEBUG msg=three block=1 k=v", "level=DEBUG msg=four g.k=v",
	}, loud...), logAll(slog.LevelDebug))
	require.Equal(t, loud[1:], logAll(slog.LevelError))
}
