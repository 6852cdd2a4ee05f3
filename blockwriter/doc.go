// Package blockwriter keeps one run: it appends what senders write to a TSDB
// head, cuts the head into blocks, ships the blocks to a bucket, and finishes
// the run so that every sample that was ever acknowledged lies there.
//
// # States
//
//	starting → open → draining → fenced → cutting → uploading → archived
//	                                                         └→ failed
//
// A [Run] starts with [New] and [Run.Start], takes samples with [Run.Append]
// while it is open or draining, and ends with [Run.Finish]. Its record on disk
// lets a later process go on where an earlier one stopped: before the fence
// the run simply continues, behind it the finish does.
//
// # Invariants
//
//   - Append returns nil only after the samples are committed, the write-ahead
//     log included. Samples the fence came before are refused, never dropped.
//   - A sample is written exactly once. What is stored already with the same
//     value is a duplicate and success; another value at the same time is a
//     rejection.
//   - Blocks of a run never overlap in the bucket, but for the moment in which
//     a merged block takes the place of those it was merged from.
//   - A block's meta.json is put into the bucket after everything else of the
//     block was found there; local data goes only after the block is complete,
//     the oldest first, and does not come back from the logs.
//   - A run is archived only if its blocks hold as many samples as were
//     written: not one less, not one more.
//
// The package is the only one that imports tsdb, but for headcut below it.
package blockwriter
