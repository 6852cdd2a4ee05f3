package harness

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// ReadAgentWAL reads everything that a Prometheus agent has scraped: an agent
// has no storage to query, only its write-ahead log.
func ReadAgentWAL(t testing.TB, storagePath string) Set {
	t.Helper()
	segments, err := wlog.NewSegmentsReader(filepath.Join(storagePath, "wal"))
	if err != nil {
		t.Fatalf("open WAL: %v", err)
	}
	defer segments.Close()
	w := walReader{
		decoder: record.NewDecoder(labels.NewSymbolTable(), promslog.NewNopLogger()),
		labels:  map[chunks.HeadSeriesRef]labels.Labels{},
		set:     Set{},
	}
	r := wlog.NewReader(segments)
	for r.Next() {
		if err := w.read(r.Record()); err != nil {
			t.Fatalf("read WAL: %v", err)
		}
	}
	if err := r.Err(); err != nil {
		t.Fatalf("read WAL: %v", err)
	}
	w.set.Sort()
	return w.set
}

type walReader struct {
	decoder record.Decoder
	labels  map[chunks.HeadSeriesRef]labels.Labels
	set     Set
}

func (w *walReader) read(rec []byte) error {
	switch w.decoder.Type(rec) {
	case record.Series:
		series, err := w.decoder.Series(rec, nil)
		for _, s := range series {
			// The decoder's labels share the record's memory, which the next
			// record overwrites.
			w.labels[s.Ref] = s.Labels.Copy()
		}
		return err
	case record.Samples, record.SamplesV2:
		samples, err := w.decoder.Samples(rec, nil)
		for _, s := range samples {
			w.set.Add(w.labels[s.Ref], FloatPoint(s.T, s.V))
		}
		return err
	case record.HistogramSamples, record.CustomBucketsHistogramSamples, record.HistogramSamplesV2:
		samples, err := w.decoder.HistogramSamples(rec, nil)
		for _, s := range samples {
			w.set.Add(w.labels[s.Ref], HistogramPoint(s.T, s.H))
		}
		return err
	case record.FloatHistogramSamples, record.CustomBucketsFloatHistogramSamples, record.FloatHistogramSamplesV2:
		samples, err := w.decoder.FloatHistogramSamples(rec, nil)
		for _, s := range samples {
			w.set.Add(w.labels[s.Ref], FloatHistogramPoint(s.T, s.FH))
		}
		return err
	case record.Exemplars, record.Metadata, record.Tombstones, record.MmapMarkers:
		return nil // no samples in these
	}
	return errors.New("record of unknown type")
}
