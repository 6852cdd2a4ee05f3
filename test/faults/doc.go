// Package faults breaks things around benchkeep, and benchkeep itself, and
// proves each time that nothing is lost: every sample that was acknowledged is
// in the bucket exactly once, or the exit code says that it is not and the
// data is kept for another try.
//
// Programs are real, as in package e2e; between benchkeep and the S3 server
// stands a proxy that can do to requests what networks and servers do.
//
// SOAK=<n> in the environment repeats what is random or systematic n times as
// `make soak` does. Without it every case runs, most of them once.
package faults
