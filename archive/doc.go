// Package archive knows what lies in the bucket: the names of objects, the
// Thanos section of a block's meta.json, the manifest that records a run, and
// the catalogue of all runs.
//
// A bucket holds blocks and manifests side by side:
//
//	<block ULID>/chunks/000001 …           read by Thanos
//	<block ULID>/index
//	<block ULID>/meta.json                 last: it makes the block visible
//	benchkeep/runs/<run id>/<part>.json    the manifest, a name Thanos ignores
//	benchkeep/runs/<run id>/edits/…        what was learnt of the run since
//	benchkeep/runs/<run id>/deletion       the run is on its way out
//
// One run may have several parts: each storage path that ever received samples
// of the run keeps a record of its own, so that shards, a second receiver or a
// fresh directory never touch another's. A part is written by one process at a
// time and read by anyone.
//
// A [Catalogue] is all runs of a bucket, parts joined. It goes by manifests, and
// finds by the run's label what Thanos has made of a run's blocks since.
//
// The package uses object storage through objstore's interfaces alone and
// knows nothing of how blocks are made.
package archive
