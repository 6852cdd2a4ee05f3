package main

import (
	"log/slog"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
)

// addLogFlags adds the two flags that every Prometheus program has. Commands
// have them one by one, because a query has nothing to log.
func addLogFlags(cmd *kingpin.CmdClause) func() *slog.Logger {
	config := &promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat()}
	cmd.Flag("log.level", "Least severity of what is logged: "+strings.Join(promslog.LevelFlagOptions, ", ")+".").
		Default("info").HintOptions(promslog.LevelFlagOptions...).SetValue(config.Level)
	cmd.Flag("log.format", "Format of the log: "+strings.Join(promslog.FormatFlagOptions, ", ")+".").
		Default("logfmt").HintOptions(promslog.FormatFlagOptions...).SetValue(config.Format)
	return func() *slog.Logger { return promslog.New(config) }
}
