// Package export takes a run's samples out of the archive: [Samples] as
// OpenMetrics, CSV or Parquet, [Blocks] as the storage of a Prometheus.
//
// Samples go through one at a time: what is in memory at a time are the labels
// of the series of one metric and, for Parquet, a row group.
//
// Each format is written with the series of a metric together, metrics by name,
// the samples of a series by time. Series have the external labels of their
// blocks, as Thanos shows them, so that runs can be told apart that are loaded
// into the same place; in the storage of a Prometheus, which knows no such
// labels, they do not.
package export
