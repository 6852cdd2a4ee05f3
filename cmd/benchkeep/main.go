// Command benchkeep keeps the metrics of a run after the run's Prometheus is
// gone. See the README and `benchkeep --help`.
package main

import (
	"fmt"
	"maps"
	"os"

	"github.com/alecthomas/kingpin/v2"
)

// Exit codes, as the help text lists them.
const (
	exitOK       = 0
	exitBadUsage = 1
	exitNotSafe  = 2
	exitAborted  = 3
	exitWorse    = 4
)

const help = `Keeps the metrics of a benchmark run: receives Prometheus remote write, and
archives everything as Thanos blocks in object storage when the run ends.

Exit codes:
  0  everything is in the bucket, or nothing was received
  1  bad flags, configuration or environment
  2  finished, but not everything is in the bucket; data is kept on disk
  3  aborted by a second signal; data is kept on disk
  4  compare: a threshold of --fail-on is broken

Environment: every flag can be set by BENCHKEEP_ and its name in upper case with
'_' in place of other characters, as in BENCHKEEP_STORAGE_PATH. Flags that can be
repeated take one value per line.

Examples:
  benchkeep receive --run.id=nightly-42 --objstore.config-file=s3.yaml
  benchkeep receive --run.label=branch=main --run.label=build=1.4.2
  benchkeep finish --url=http://127.0.0.1:19291
  benchkeep resume --storage.path=./benchkeep-data --objstore.config-file=s3.yaml
  benchkeep runs list --selector='{branch="main"}' --since=7d --objstore.config-file=s3.yaml
  benchkeep query nightly-42 'rate(http_requests_total[1m])' --from=30s -o plot
  benchkeep export nightly-42 --match='{__name__=~"http_.*"}' -o parquet --output-file=nightly-42.parquet
  benchkeep compare '{branch="main"}' pr-907-1 --last=10 --queries=queries.yaml --fail-on=regression`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	app, commands := newApp()
	command, err := app.Parse(args)
	if err != nil {
		return badUsage(nameFlag(app, args, err))
	}
	return commands[command]()
}

// newApp assembles the command line, and what each command does.
func newApp() (*kingpin.Application, map[string]func() int) {
	app := kingpin.New("benchkeep", help)
	app.HelpFlag.Short('h').NoEnvar()
	app.UsageWriter(os.Stdout)
	app.DefaultEnvars()
	commands := map[string]func() int{
		"receive": addReceive(app),
		"finish":  addFinish(app),
		"resume":  addResume(app),
		"version": addVersion(app),
		"query":   addQuery(app),
		"export":  addExport(app),
		"compare": addCompare(app),
	}
	maps.Copy(commands, addRuns(app))
	return app, commands
}

// badUsage tells what to change, and gives the exit code for it.
func badUsage(err error) int {
	fmt.Fprintf(os.Stderr, "benchkeep: %v\n", err)
	return exitBadUsage
}
