// Package archive knows what lies in the bucket: the names of objects, the
// Thanos section of a block's meta.json, and the manifest that records a run.
//
// A bucket holds blocks and manifests side by side:
//
//	<block ULID>/chunks/000001 …           read by Thanos
//	<block ULID>/index
//	<block ULID>/meta.json                 last: it makes the block visible
//	benchkeep/runs/<run id>/<part>.json    the manifest, a name Thanos ignores
//
// One run may have several parts: each storage path that ever received samples
// of the run keeps a record of its own, so that shards, a second receiver or a
// fresh directory never touch another's. A part is written by one process at a
// time and read by anyone.
//
// The package uses object storage through objstore's interfaces alone and
// knows nothing of how blocks are made.
package archive
