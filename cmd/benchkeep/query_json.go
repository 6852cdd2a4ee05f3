package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/benchkeep/benchkeep/archive/query"
)

// apiAnswer is what the Prometheus API answers a query.
type apiAnswer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType parser.ValueType `json:"resultType"`
		Result     any              `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings,omitempty"`
	Infos    []string `json:"infos,omitempty"`
}

type apiSample struct {
	Metric     map[string]string `json:"metric"`
	Value      []any             `json:"value,omitempty"`
	Histogram  []any             `json:"histogram,omitempty"`
	Values     [][]any           `json:"values,omitempty"`
	Histograms [][]any           `json:"histograms,omitempty"`
}

type apiHistogram struct {
	Count   string  `json:"count"`
	Sum     string  `json:"sum"`
	Buckets [][]any `json:"buckets,omitempty"`
}

// printQueryJSON prints an answer in the shape of the Prometheus API, numbers as
// it writes them. At is the time of an answer that has none of its own.
func printQueryJSON(out io.Writer, r *query.Result, at int64) error {
	a := apiAnswer{Status: "success", Warnings: r.Warnings, Infos: r.Infos}
	a.Data.ResultType = r.Type
	switch r.Type {
	case parser.ValueTypeScalar:
		p := r.Series[0].Points[0]
		a.Data.Result = []any{apiTime(p.T), apiNumber(p.V)}
	case parser.ValueTypeString:
		a.Data.Result = []any{apiTime(at), r.Text}
	default:
		samples := make([]apiSample, 0, len(r.Series))
		for _, s := range r.Series {
			samples = append(samples, newAPISample(s, r.Type))
		}
		a.Data.Result = samples
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(a)
}

func newAPISample(s query.Series, of parser.ValueType) apiSample {
	out := apiSample{Metric: s.Labels.Map()}
	for _, p := range s.Points {
		if p.H != nil {
			out.Histograms = append(out.Histograms, []any{apiTime(p.T), newAPIHistogram(p.H)})
		} else {
			out.Values = append(out.Values, []any{apiTime(p.T), apiNumber(p.V)})
		}
	}
	if of != parser.ValueTypeVector {
		return out
	}
	if out.Histograms != nil {
		return apiSample{Metric: out.Metric, Histogram: out.Histograms[0]}
	}
	return apiSample{Metric: out.Metric, Value: out.Values[0]}
}

func newAPIHistogram(h *query.Histogram) apiHistogram {
	out := apiHistogram{Count: apiNumber(h.Count), Sum: apiNumber(h.Sum)}
	for _, b := range h.Buckets {
		out.Buckets = append(out.Buckets, []any{b.Boundaries, apiNumber(b.Lower), apiNumber(b.Upper), apiNumber(b.Count)})
	}
	return out
}

// apiTime is Unix ms as the API writes it: seconds, with a fraction if need be.
func apiTime(ms int64) json.RawMessage {
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms
	}
	if ms%1000 == 0 {
		return json.RawMessage(fmt.Sprintf("%s%d", sign, ms/1000))
	}
	return json.RawMessage(fmt.Sprintf("%s%d.%03d", sign, ms/1000, ms%1000))
}

// apiNumber is a value as the API writes it.
//
// Source: Prometheus' util/jsonutil/marshal.go.
func apiNumber(v float64) string {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(v, format, -1, 64)
}
