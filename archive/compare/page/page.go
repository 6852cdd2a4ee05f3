package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/benchkeep/benchkeep/archive/compare"
)

//go:embed *.html *.js *.css uplot
var assets embed.FS

var templates = template.Must(template.New("").Funcs(funcs).ParseFS(assets, "*.html"))

// WriteReport writes the page of a report. Nobody may change the report
// meanwhile.
func WriteReport(w io.Writer, r *compare.Report) error {
	view, err := newReportView(r)
	if err != nil {
		return fmt.Errorf("make report page: %w", err)
	}
	return write(w, "report", view)
}

// WriteHistory writes the page of a history. Nobody may change the history
// meanwhile.
func WriteHistory(w io.Writer, h *compare.History) error {
	view, err := newHistoryView(h)
	if err != nil {
		return fmt.Errorf("make history page: %w", err)
	}
	return write(w, "history", view)
}

// write executes the template of that name, which fails halfway only where w does.
func write(w io.Writer, name string, view any) error {
	if err := templates.ExecuteTemplate(w, name+".html", view); err != nil {
		return fmt.Errorf("write %s page: %w", name, err)
	}
	return nil
}

// A frame is what every page has.
type frame struct {
	Title   string
	Policy  string // of content security
	Style   template.CSS
	Scripts []template.JS
	Data    template.JS // JSON, for the script
}

// newFrame makes the frame of a page that script fills with data.
func newFrame(title, script string, data any) (frame, error) {
	// Marshal writes <, > and & as escapes, so that nothing in the data can end
	// the element or begin a comment.
	encoded, err := json.Marshal(data)
	if err != nil {
		return frame{}, err
	}
	f := frame{Title: title, Data: template.JS(encoded)}
	style, err := join("uplot/uPlot.min.css", "page.css", "rows.css")
	if err != nil {
		return frame{}, err
	}
	f.Style = template.CSS(style)
	chart, err := library()
	if err != nil {
		return frame{}, err
	}
	own, err := join("base.js", "format.js", "chart.js", script)
	if err != nil {
		return frame{}, err
	}
	f.Scripts = []template.JS{template.JS(chart), template.JS(own)}
	f.Policy = fmt.Sprintf("default-src 'none'; script-src %s %s; style-src %s; base-uri 'none'; form-action 'none'",
		source(chart), source(own), source(style))
	return f, nil
}

// library is the chart library under its licence, which goes wherever it goes.
func library() (string, error) {
	licence, err := assets.ReadFile("uplot/LICENSE")
	if err != nil {
		return "", err
	}
	code, err := assets.ReadFile("uplot/uPlot.iife.min.js")
	if err != nil {
		return "", err
	}
	return "/*\n" + string(bytes.TrimSpace(licence)) + "\n*/\n" + string(code), nil
}

// join is the text of the files, one after the other.
func join(names ...string) (string, error) {
	var text strings.Builder
	for _, name := range names {
		part, err := assets.ReadFile(name)
		if err != nil {
			return "", err
		}
		text.Write(part)
	}
	return text.String(), nil
}

// source names a script or style in a content security policy.
//
// Source: https://www.w3.org/TR/CSP3/#grammardef-hash-source
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
