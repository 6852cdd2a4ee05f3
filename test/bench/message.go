package main

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// A message is a remote-write request with one sample of each series.
type message interface {
	// name sets which series the message has.
	name(ids []uint64)
	putFloat(i int, t int64, v float64)
	putHistogram(i int, t int64, h *histogram.Histogram)

	Size() int
	MarshalTo([]byte) (int, error)
}

// message1 is remote write 1.0's.
type message1 struct{ prompb.WriteRequest }

func (m *message1) name(ids []uint64) {
	m.Timeseries = make([]prompb.TimeSeries, len(ids))
	for i, id := range ids {
		m.Timeseries[i].Labels = prompb.FromLabels(seriesLabels(id), nil)
	}
}

func (m *message1) putFloat(i int, t int64, v float64) {
	s := &m.Timeseries[i]
	s.Samples = append(s.Samples[:0], prompb.Sample{Timestamp: t, Value: v})
}

func (m *message1) putHistogram(i int, t int64, h *histogram.Histogram) {
	s := &m.Timeseries[i]
	s.Histograms = append(s.Histograms[:0], prompb.FromIntHistogram(t, h))
}

// message2 is remote write 2.0's.
type message2 struct{ writev2.Request }

func (m *message2) name(ids []uint64) {
	symbols := writev2.NewSymbolTable()
	m.Timeseries = make([]writev2.TimeSeries, len(ids))
	for i, id := range ids {
		m.Timeseries[i].LabelsRefs = symbols.SymbolizeLabels(seriesLabels(id), nil)
	}
	m.Symbols = symbols.Symbols()
}

func (m *message2) putFloat(i int, t int64, v float64) {
	s := &m.Timeseries[i]
	s.Samples = append(s.Samples[:0], writev2.Sample{Timestamp: t, Value: v})
}

func (m *message2) putHistogram(i int, t int64, h *histogram.Histogram) {
	s := &m.Timeseries[i]
	s.Histograms = append(s.Histograms[:0], writev2.FromIntHistogram(0, t, h))
}
