// Package compare holds the end-to-end tests of `benchkeep compare`: builds of a
// small service of which one is a fifth slower, each run with a Prometheus agent
// and a receiver of its own, archived in a real S3 server.
package compare
