// Package query answers PromQL about a run of the archive. [Local] evaluates a
// query itself, by Prometheus' own engine over the run's blocks; [Remote] has a
// Thanos Query, or whatever else has the Prometheus API and the run, do it. Both
// give the same answers: series have the external labels of their blocks, and
// nothing of another run is among them.
//
// Times are in Unix ms; [ParseTime] reads those that are relative to a run.
package query
