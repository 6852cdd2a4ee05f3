package export

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/storage"

	"github.com/benchkeep/benchkeep/archive"
)

// A Format is how samples are written.
type Format string

// The formats.
const (
	// CSV has everything, and is text.
	CSV Format = "csv"
	// Parquet has everything, for notebooks and databases.
	Parquet Format = "parquet"
	// OpenMetrics has neither native histograms nor staleness markers.
	OpenMetrics Format = "openmetrics"
)

// Options say what is written, and how.
type Options struct {
	Format Format
	// Match picks the series that any of the selectors picks; none picks all.
	Match []Match
	// From and To are the first and the last millisecond, in Unix ms.
	From, To int64
	// Metadata is what the run's manifests tell of metrics, by name.
	Metadata map[string]archive.Metadata
	// Run, Labels and Start describe the run in formats that have room for it.
	Run    string
	Labels map[string]string
	Start  time.Time
}

// A Source has samples. Read may call its function once more, where what it has
// read was damaged.
type Source interface {
	Read(ctx context.Context, mint, maxt int64, read func(storage.Querier) error) error
}

// An Output takes what is written.
type Output interface {
	io.Writer
	// Restart is called before the first byte is written, and again where all
	// that was written is void.
	Restart() error
}

// A Summary counts what was written, and what was not.
type Summary struct {
	Series, Samples int64
	// Histograms and Stale are the samples that the format cannot tell of: native
	// histograms, and staleness markers. HistogramSeries have such histograms.
	Histograms, HistogramSeries, Stale int64
}

// Samples writes a run's samples. Errors of the source and of the output are as
// they are; what was written until then is of no use.
func Samples(ctx context.Context, src Source, out Output, o Options) (*Summary, error) {
	var sum *Summary
	err := src.Read(ctx, o.From, o.To, func(q storage.Querier) (err error) {
		// The decoders check every length but those that only a forger writes.
		defer func() {
			if p := recover(); p != nil {
				breakdown, ok := p.(runtime.Error)
				if !ok {
					panic(p)
				}
				err = fmt.Errorf("decoder gave up: %w", breakdown)
			}
		}()
		if err := out.Restart(); err != nil {
			return err
		}
		sum = &Summary{}
		return o.write(ctx, q, out, sum)
	})
	return sum, err
}

// A rowWriter writes one row for each sample, series by series.
type rowWriter interface {
	series(metric string, labels map[string]string)
	sample(s *sample) error
	close() error
}

func (o *Options) write(ctx context.Context, q storage.Querier, out io.Writer, sum *Summary) error {
	r := &reader{ctx: ctx, querier: q, match: o.Match}
	switch o.Format {
	case OpenMetrics:
		return writeOpenMetrics(r, out, o.Metadata, sum)
	case Parquet:
		return writeRows(r, newParquetWriter(out, o), sum)
	default:
		return writeRows(r, newCSVWriter(out), sum)
	}
}

func writeRows(r *reader, w rowWriter, sum *Summary) error {
	names, err := r.names()
	if err != nil {
		return err
	}
	c := &cursor{}
	for _, name := range names {
		all, err := r.series(name)
		if err != nil {
			return err
		}
		for _, s := range all {
			if err := writeSeries(r, w, s, c, sum); err != nil {
				return err
			}
		}
	}
	return w.close()
}

func writeSeries(r *reader, w rowWriter, s storage.Series, c *cursor, sum *Summary) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	before := sum.Samples
	for c.open(s); c.next(); sum.Samples++ {
		if sum.Samples == before {
			metric, labels := split(s.Labels())
			w.series(metric, labels)
			sum.Series++
		}
		if err := w.sample(&c.sample); err != nil {
			return err
		}
	}
	return c.err()
}
