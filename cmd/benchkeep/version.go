package main

import (
	"fmt"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

func addVersion(app *kingpin.Application) func() int {
	app.Command("version", "Print version and build.")
	return func() int {
		fmt.Println(version.Print("benchkeep"))
		return exitOK
	}
}
