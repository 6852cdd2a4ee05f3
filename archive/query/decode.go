package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// The API's way to write values. Each has one JSON form.
type (
	// apiFloat is a number in a string.
	apiFloat float64
	// apiTime is Unix seconds with a fraction; here it is in ms.
	apiTime int64
	// apiPoint is an array of time and value; apiHistogram one of time and
	// histogram; apiText one of time and string.
	apiPoint     struct{ Point }
	apiHistogram struct{ Point }
	apiBucket    struct{ Bucket }
)

func (f *apiFloat) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(text, 64)
	*f = apiFloat(v)
	return err
}

func (t *apiTime) UnmarshalJSON(data []byte) error {
	var v float64
	err := json.Unmarshal(data, &v)
	*t = apiTime(math.Round(v * 1000))
	return err
}

// tuple decodes a JSON array into as many values.
func tuple(data []byte, values ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) != len(values) {
		return fmt.Errorf("%s has %d values, want %d", data, len(raw), len(values))
	}
	var err error
	for i, v := range values {
		err = errors.Join(err, json.Unmarshal(raw[i], v))
	}
	return err
}

func (p *apiPoint) UnmarshalJSON(data []byte) error {
	return tuple(data, (*apiTime)(&p.T), (*apiFloat)(&p.V))
}

func (b *apiBucket) UnmarshalJSON(data []byte) error {
	return tuple(data, &b.Boundaries, (*apiFloat)(&b.Lower), (*apiFloat)(&b.Upper), (*apiFloat)(&b.Count))
}

func (p *apiHistogram) UnmarshalJSON(data []byte) error {
	var h struct {
		Count, Sum apiFloat
		Buckets    []apiBucket
	}
	if err := tuple(data, (*apiTime)(&p.T), &h); err != nil {
		return err
	}
	p.H = &Histogram{Count: float64(h.Count), Sum: float64(h.Sum)}
	for _, b := range h.Buckets {
		p.H.Buckets = append(p.H.Buckets, b.Bucket)
	}
	return nil
}

// decodeResult reads the data of an answer to a query.
func decodeResult(data []byte) (*Result, error) {
	var content struct {
		ResultType parser.ValueType
		Result     json.RawMessage
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	r := &Result{Type: content.ResultType}
	switch r.Type {
	case parser.ValueTypeScalar:
		var p apiPoint
		if err := json.Unmarshal(content.Result, &p); err != nil {
			return nil, err
		}
		r.Series = []Series{{Points: []Point{p.Point}}}
	case parser.ValueTypeString:
		var at apiTime
		return r, tuple(content.Result, &at, &r.Text)
	case parser.ValueTypeVector, parser.ValueTypeMatrix:
		if err := r.decodeSeries(content.Result); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the type of the result is %q", r.Type)
	}
	return r, nil
}

func (r *Result) decodeSeries(data []byte) error {
	var all []struct {
		Metric     map[string]string
		Value      *apiPoint
		Histogram  *apiHistogram
		Values     []apiPoint
		Histograms []apiHistogram
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, in := range all {
		s := Series{Labels: labels.FromMap(in.Metric)}
		if in.Value != nil {
			in.Values = append(in.Values, *in.Value)
		}
		if in.Histogram != nil {
			in.Histograms = append(in.Histograms, *in.Histogram)
		}
		for _, p := range in.Values {
			s.Points = append(s.Points, p.Point)
		}
		for _, p := range in.Histograms {
			s.Points = append(s.Points, p.Point)
		}
		if r.Type == parser.ValueTypeVector && len(s.Points) != 1 {
			return fmt.Errorf("a series of the vector has %d values", len(s.Points))
		}
		sortPoints(s.Points)
		r.Series = append(r.Series, s)
	}
	r.sort()
	return nil
}
