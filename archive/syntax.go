package archive

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// A SyntaxError says what of a PromQL text cannot be understood, and shows the
// place.
type SyntaxError struct {
	Text string
	// At is the place, in bytes from the beginning of the text.
	At  int
	Err error
}

// NewSyntaxError makes one of what the PromQL parser says of a text.
func NewSyntaxError(text string, err error) *SyntaxError {
	e := &SyntaxError{Text: text, Err: err}
	var wrong parser.ParseErrors
	if errors.As(err, &wrong) && len(wrong) > 0 {
		e.At = min(max(int(wrong[0].PositionRange.Start), 0), len(text))
	}
	return e
}

// Error has the parser's message, the line that it is about, and a caret below
// the place.
func (e *SyntaxError) Error() string {
	before, after := e.Text[:e.At], e.Text[e.At:]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(after, "\n")
	// A tab moves the caret as far as it moves the text.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	return fmt.Sprintf("%v\n  %s\n  %s^", e.Err, before+after, indent)
}

func (e *SyntaxError) Unwrap() error { return e.Err }
