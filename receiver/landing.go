package receiver

import (
	"html/template"
	"net/http"
)

var landingPage = template.Must(template.New("landing").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>benchkeep: {{.Run}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark; }
td { padding: .1rem 1.5rem .1rem 0; }
code { font-size: .9em; }
</style>
</head>
<body>
<h1>benchkeep</h1>
<p>Receives the metrics of a run by Prometheus remote write and keeps them, as Thanos blocks in a bucket, when the run is over.</p>
<table>
<tr><td>Run</td><td><code>{{.Run}}</code></td></tr>
<tr><td>State</td><td>{{.State}}{{with .Error}}: {{.}}{{end}}</td></tr>
<tr><td>Labels</td><td>{{range $name, $value := .Labels}}<code>{{$name}}="{{$value}}"</code> {{end}}</td></tr>
<tr><td>Samples written</td><td>{{.Written}} in {{.Series}} series</td></tr>
<tr><td>In the bucket</td><td>{{.Archived}} samples in {{len .Blocks}} blocks</td></tr>
<tr><td>Upload</td><td>{{.Upload.BytesDone}} of {{.Upload.Bytes}} bytes</td></tr>
</table>
<p>Send writes to <code>/api/v1/write</code>; end the run with <code>POST /finish</code>.</p>
<p><a href="/api/v1/status">Status</a> · <a href="/metrics">Metrics</a> · <a href="/-/ready">Ready</a> · <a href="/debug/pprof/">Profiles</a></p>
</body>
</html>
`))

// landing says what this is and how far the run is.
func (h *handler) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := landingPage.Execute(w, h.opts.Run.Status()); err != nil {
		h.opts.Logger.Debug("landing page was not read to the end", "err", err)
	}
}
