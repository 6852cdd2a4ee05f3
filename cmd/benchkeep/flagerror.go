package main

import (
	"fmt"
	"os"

	"github.com/alecthomas/kingpin/v2"
)

// nameFlag adds to an error of the command line which flag or environment
// variable it is about. Kingpin hands on what a value's parser says, which is
// no more than "invalid duration".
func nameFlag(app *kingpin.Application, args []string, err error) error {
	parsed, contextErr := app.ParseContext(args)
	if contextErr != nil {
		return err // not about a value
	}
	given := map[string]bool{}
	for _, e := range parsed.Elements {
		flag, ok := e.Clause.(*kingpin.FlagClause)
		if !ok || e.Value == nil {
			continue
		}
		model := flag.Model()
		given[model.Name] = true
		if valueErr := model.Value.Set(*e.Value); valueErr != nil {
			return fmt.Errorf("--%s=%s: %w", model.Name, *e.Value, valueErr)
		}
	}
	if parsed.SelectedCommand == nil {
		return err
	}
	for _, model := range parsed.SelectedCommand.Model().Flags {
		value := os.Getenv(model.Envar)
		if value == "" || given[model.Name] {
			continue
		}
		if valueErr := model.Value.Set(value); valueErr != nil {
			return fmt.Errorf("%s=%s (for --%s): %w", model.Envar, value, model.Name, valueErr)
		}
	}
	return err
}
