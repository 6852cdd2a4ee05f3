package export

import (
	"bufio"
	"cmp"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/benchkeep/benchkeep/archive"
)

// openMetrics writes the text format of OpenMetrics 1.0, with names in quotes
// where they are none of its own, as Prometheus 3 writes and reads them.
//
// Source: https://prometheus.io/docs/specs/om/open_metrics_spec/#text-format
type openMetrics struct {
	r   *reader
	out *bufio.Writer
	sum *Summary

	family  *family
	begun   bool      // the family has a sample
	cursors []*cursor // used again and again
	line    []byte
}

// writeOpenMetrics writes everything that the format can tell of, and counts
// what it cannot.
func writeOpenMetrics(r *reader, out io.Writer, metadata map[string]archive.Metadata, sum *Summary) error {
	names, err := r.names()
	if err != nil {
		return err
	}
	w := &openMetrics{r: r, out: bufio.NewWriterSize(out, writeBuffer), sum: sum}
	for _, f := range findFamilies(names, metadata) {
		if err := w.write(f); err != nil {
			return err
		}
	}
	w.out.WriteString("# EOF\n") //nolint:errcheck // Flush tells
	return w.out.Flush()
}

// omSeries is a series as one of the parts of a metric.
type omSeries struct {
	storage.Series

	metric labels.Labels // what the parts have in common
	part   int           // its place among them
	bound  float64       // its place in the part
}

// write writes a family or, where its series are not what its type says, one
// for each name.
func (w *openMetrics) write(f *family) error {
	all, fits, err := w.load(f)
	if err == nil && fits && f.native != "" {
		fits, err = w.passNative(f.native)
	}
	if err != nil {
		return err
	}
	if !fits {
		for _, one := range f.singles() {
			if err := w.write(one); err != nil {
				return err
			}
		}
		return nil
	}
	w.family, w.begun = f, false
	for len(all) > 0 {
		n := 1
		for n < len(all) && labels.Equal(all[n].metric, all[0].metric) {
			n++
		}
		if err := w.writeMetric(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// load finds the series of a family, metric by metric, and reports whether they
// are what its type says.
func (w *openMetrics) load(f *family) (all []*omSeries, fits bool, err error) {
	fits = true
	for i, m := range f.members {
		found, err := w.r.series(m.metric)
		if err != nil {
			return nil, false, err
		}
		for _, s := range found {
			one, ok := newOMSeries(s, i, m.bound)
			fits = fits && ok && (f.kind != model.MetricTypeStateset || s.Labels().Has(f.name))
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b *omSeries) int {
		return cmp.Or(labels.Compare(a.metric, b.metric), cmp.Compare(a.part, b.part), cmp.Compare(a.bound, b.bound))
	})
	if f.kind == model.MetricTypeStateset && !fits {
		f.kind, fits = model.MetricTypeUnknown, true
	}
	if f.members[0].bound == model.BucketLabel {
		fits = fits && bucketsComplete(all)
	}
	return all, fits, nil
}

// newOMSeries finds a series' place in its metric. Bounds that are not written
// as the format wants them do not fit: Prometheus would read another label.
func newOMSeries(s storage.Series, part int, bound string) (_ *omSeries, fits bool) {
	one := &omSeries{Series: s, part: part}
	b := labels.NewBuilder(s.Labels()).Del(model.MetricNameLabel)
	if bound != "" {
		text := s.Labels().Get(bound)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || labels.FormatOpenMetricsFloat(v) != text {
			return one, false
		}
		b.Del(bound)
		one.bound = v
	}
	one.metric = b.Labels()
	return one, true
}

// bucketsComplete reports whether each metric has a bucket for everything.
func bucketsComplete(all []*omSeries) bool {
	for i, s := range all {
		last := i+1 == len(all) || !labels.Equal(all[i+1].metric, s.metric) || all[i+1].part != 0
		if s.part == 0 && last && !math.IsInf(s.bound, 1) {
			return false
		}
		if first := i == 0 || !labels.Equal(all[i-1].metric, s.metric); first && s.part != 0 {
			return false
		}
	}
	return true
}

// passNative counts what is left out of series that have the name of a family of
// classic histograms. It reports whether that is all of them.
func (w *openMetrics) passNative(name string) (bool, error) {
	all, err := w.r.series(name)
	if err != nil {
		return false, err
	}
	var sum Summary
	c := w.cursor(0)
	for _, s := range all {
		c.open(s)
		if floats, err := nextFloat(c, &sum); floats || err != nil {
			return false, err
		}
	}
	w.sum.add(sum)
	return true, nil
}

func (s *Summary) add(more Summary) {
	s.Series += more.Series
	s.Samples += more.Samples
	s.Histograms += more.Histograms
	s.HistogramSeries += more.HistogramSeries
	s.Stale += more.Stale
}

// cursor gives one of as many cursors as are needed at a time.
func (w *openMetrics) cursor(i int) *cursor {
	for len(w.cursors) <= i {
		w.cursors = append(w.cursors, &cursor{})
	}
	return w.cursors[i]
}

// nextFloat goes to the next sample that the format can tell of, and counts
// those that are passed over. It reports whether there is one.
func nextFloat(c *cursor, sum *Summary) (bool, error) {
	for c.next() {
		switch {
		case c.stale:
			sum.Stale++
		case c.h != nil:
			sum.Histograms++
			if !c.counted {
				c.counted = true
				sum.HistogramSeries++
			}
		default:
			return true, nil
		}
	}
	return false, c.err()
}

// live is a series of which there are samples left.
type live struct {
	*cursor

	prefix  []byte // name and labels
	written bool
}

// writeMetric writes the series that make one metric: together those of a time.
func (w *openMetrics) writeMetric(parts []*omSeries) error {
	if err := w.r.ctx.Err(); err != nil {
		return err
	}
	var alive []*live
	for i, s := range parts {
		c := w.cursor(i)
		c.open(s)
		ok, err := nextFloat(c, w.sum)
		if err != nil {
			return err
		}
		if ok {
			alive = append(alive, &live{cursor: c, prefix: appendSeries(nil, s.Labels())})
		}
	}
	for len(alive) > 0 {
		at := int64(math.MaxInt64)
		for _, l := range alive {
			at = min(at, l.t)
		}
		ended := false
		for i, l := range alive {
			if l.t != at {
				continue
			}
			if err := w.writeSample(l); err != nil {
				return err
			}
			ok, err := nextFloat(l.cursor, w.sum)
			if err != nil {
				return err
			}
			if !ok {
				alive[i], ended = nil, true
			}
		}
		if ended {
			alive = slices.DeleteFunc(alive, func(l *live) bool { return l == nil })
		}
	}
	return nil
}

func (w *openMetrics) writeSample(l *live) error {
	if !w.begun {
		w.begun = true
		w.out.Write(appendHead(nil, w.family)) //nolint:errcheck // the next write tells
	}
	if !l.written {
		l.written = true
		w.sum.Series++
	}
	w.sum.Samples++
	line := append(w.line[:0], l.prefix...)
	line = appendFloat(line, l.v)
	line = append(line, ' ')
	line = appendSeconds(line, l.t)
	w.line = append(line, '\n')
	_, err := w.out.Write(w.line)
	return err
}

// appendHead writes what stands above a family's samples.
func appendHead(dst []byte, f *family) []byte {
	add := func(what, text string) {
		dst = append(dst, "# "+what+" "...)
		dst = appendName(dst, f.name, model.LegacyValidation.IsValidMetricName(f.name))
		dst = append(dst, " "+text+"\n"...)
	}
	add("TYPE", string(f.kind))
	if unit := f.unit(); unit != "" {
		add("UNIT", unit)
	}
	if f.about.Help != "" {
		add("HELP", escape(f.about.Help))
	}
	return dst
}

// appendSeries writes a series' name and labels, and a space.
func appendSeries(dst []byte, all labels.Labels) []byte {
	metric := all.Get(model.MetricNameLabel)
	open := byte('{')
	if model.LegacyValidation.IsValidMetricName(metric) {
		dst = append(dst, metric...)
	} else {
		dst = append(dst, open)
		dst = appendName(dst, metric, false)
		open = ','
	}
	all.Range(func(l labels.Label) {
		if l.Name == model.MetricNameLabel {
			return
		}
		dst = append(dst, open)
		dst = appendName(dst, l.Name, model.LegacyValidation.IsValidLabelName(l.Name))
		dst = append(dst, `="`+escape(l.Value)+`"`...)
		open = ','
	})
	if dst[len(dst)-1] == '"' {
		dst = append(dst, '}')
	}
	return append(dst, ' ')
}

// appendName writes a name, in quotes if it is none that the format has.
func appendName(dst []byte, name string, valid bool) []byte {
	if valid {
		return append(dst, name...)
	}
	return append(dst, `"`+escape(name)+`"`...)
}

func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(text)
}

// appendSeconds writes a time in Unix ms as seconds. Prometheus cuts off what its
// floating-point product has below the millisecond; where that is all of one but
// a rounding error, less than half a millisecond is added.
//
// Source: Prometheus' model/textparse/openmetricsparse.go.
func appendSeconds(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if ms%1000 == 0 {
		return dst
	}
	fraction := strconv.AppendInt(nil, 1000+ms%1000, 10)
	dst = append(dst, '.')
	dst = append(dst, fraction[1:]...)
	if int64(float64(ms)/1000*1000) != ms {
		dst = append(dst, '4')
	}
	return dst
}
