// Command bench measures benchkeep beside what else could receive a run's
// remote write: Thanos Receive, Prometheus' own receiver with the snapshot
// script, and VictoriaMetrics where it is installed. Run it with
// `make bench-peers`.
//
// Each of them runs as a process, one after the other, with an S3 server and a
// load of its own that is the same for all of them: the request bodies are
// encoded into files before the clock starts, and every sender sends its part
// of the series in order over a connection of its own. What a receiver costs is
// the CPU time that the kernel has accounted to its process: what the senders
// and the S3 server use is not in it, and other work on the machine hardly. Only
// the finish is measured by the clock, because a grace period is too.
//
// What was archived is read back from the blocks in the bucket, sample by
// sample. A run in which benchkeep has not archived exactly what was sent has
// no figures, only an error. It needs Linux' /proc.
package main
