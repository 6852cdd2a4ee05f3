package blockwriter

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// labelBuilder turns labels as they were sent into labels as they are stored:
// valid, sorted, without empty values, and free of names that the external
// labels use. Its buffers are reused from series to series.
type labelBuilder struct {
	external map[string]string
	// renamed is told of each series whose label had to give way.
	renamed func(label, to string)
	sent    []Label
	builder labels.ScratchBuilder
}

// labelError says why a label set cannot be stored.
type labelError struct {
	reason Reason
	detail string
}

func (e *labelError) Error() string { return e.detail }

// build reads the labels of series i. The result shares no memory with the
// batch. The error is a *labelError or wraps [ErrMalformed].
func (lb *labelBuilder) build(r LabelReader, i int) (labels.Labels, error) {
	sent, err := r.AppendLabels(lb.sent[:0], i)
	lb.sent = sent
	if errors.Is(err, ErrTooManyLabels) {
		return labels.EmptyLabels(), lb.fault(ReasonTooManyLabels)
	}
	if err != nil {
		return labels.EmptyLabels(), fmt.Errorf("%w: labels of series %d: %w", ErrMalformed, i, err)
	}
	if err := lb.check(); err != nil {
		return labels.EmptyLabels(), err
	}
	lb.builder.SetUnsafeAdd(true) // Labels() copies, in every build of the labels package
	lb.builder.Reset()
	resort := false
	for _, l := range lb.sent {
		value, collides := lb.external[string(l.Name)]
		switch {
		case len(l.Value) == 0 || collides && value == string(l.Value):
			// An empty label is no label, and one that says what the external
			// label says is there already.
		case collides:
			// Thanos would put the external label's value over this one.
			to := lb.exported(string(l.Name))
			lb.renamed(string(l.Name), to)
			lb.builder.Add(to, string(l.Value))
			resort = true
		default:
			lb.builder.Add(unsafeString(l.Name), unsafeString(l.Value))
		}
	}
	if resort {
		lb.builder.Sort()
	}
	return lb.builder.Labels(), nil
}

// check sorts the sent labels and finds what no store should hold.
func (lb *labelBuilder) check() *labelError {
	byName := func(a, b Label) int { return cmp.Compare(string(a.Name), string(b.Name)) }
	if !slices.IsSortedFunc(lb.sent, byName) { // by senders' rules they are
		slices.SortFunc(lb.sent, byName)
	}
	named := false
	for i, l := range lb.sent {
		switch {
		case len(l.Name) == 0:
			return lb.fault(ReasonEmptyLabelName)
		case !utf8.Valid(l.Name) || !utf8.Valid(l.Value):
			return lb.fault(ReasonInvalidUTF8)
		case i > 0 && string(l.Name) == string(lb.sent[i-1].Name):
			return lb.fault(ReasonDuplicateLabelName)
		case string(l.Name) == model.MetricNameLabel:
			named = len(l.Value) > 0
		}
	}
	if !named {
		return lb.fault(ReasonNoMetricName)
	}
	return nil
}

func (lb *labelBuilder) fault(reason Reason) *labelError {
	return &labelError{reason: reason, detail: "series " + lb.describe()}
}

// describe prints the labels as sent, quoted and bounded, whatever is wrong
// with them.
func (lb *labelBuilder) describe() string {
	out := []byte{'{'}
	for i, l := range lb.sent {
		if i > 0 {
			out = append(out, ", "...)
		}
		if len(out)+len(l.Name)+len(l.Value) > maxNameBytes {
			out = append(out, "…"...)
			break
		}
		out = fmt.Appendf(out, "%q=%q", l.Name, l.Value)
	}
	return string(append(out, '}'))
}

// unsafeString reads bytes as a string without a copy; it lives no longer than
// the bytes stay as they are.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// exported finds a free name for a label whose own name is taken, as a scrape
// does for labels that collide with the target's.
func (lb *labelBuilder) exported(name string) string {
	for {
		name = model.ExportedLabelPrefix + name
		_, external := lb.external[name]
		if !external && !slices.ContainsFunc(lb.sent, func(l Label) bool { return string(l.Name) == name }) {
			return name
		}
	}
}
