package main

import "github.com/alecthomas/kingpin/v2"

func addFinish(app *kingpin.Application) func() int {
	app.Command("finish", "Ask a running receiver to finish, and show how far it is.")
	return func() int { return exitOK }
}
