// Package receiver is the HTTP side of benchkeep: it decodes remote write, keeps
// the limits, and answers for the run behind it. What it knows of the run is
// three small interfaces; it sees no type of the TSDB.
//
// A write is acknowledged only when the run has committed it. The one table in
// errors.go turns everything that can go wrong into an HTTP status, so that a
// sender gives up a batch (4xx) only where sending it again could not help.
package receiver
