// Package check reads a run back from the bucket, every byte of it, and tells
// whether it is what its manifests and the meta.json of its blocks say.
//
// A check goes from the outside in: the manifests of all parts, the blocks
// that they list or that carry the run's label, the objects of each block with
// size and hash, the index, every series, every chunk, every sample; and back
// out: the counts of a block against its meta.json, those of all blocks against
// the manifests. What is wrong is a [Finding], and all are collected. Only a
// bucket that cannot be read is an error: of what it holds nothing is known
// then.
//
// Thanos' Compactor may have worked on the bucket. Its blocks are found by their
// labels and stand for those that they were made of, sample by sample. What
// they supersede, and what is marked for deletion, is skipped as Thanos does.
// Downsampled blocks have an encoding of their own: of them the objects and the
// index are checked, not the samples.
//
// A run that is not archived is no broken one. What it has in the bucket so
// far is checked; the account is not, as it is not closed yet.
//
// Blocks are fetched into a temporary folder, one at a time, so that the disk
// has to hold the largest. Memory holds eight bytes for each series of the run,
// and what of a block's files the system keeps in its cache.
package check
