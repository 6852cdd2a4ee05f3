// Package export holds the end-to-end tests of `benchkeep export`: a run of two
// shards, one of them filled by a real Prometheus agent, exported in every way and
// read back with the programs and libraries that others would use.
package export
