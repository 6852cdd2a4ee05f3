// Package blockcache keeps blocks of the bucket on the local disk, and opens
// them. A folder holds
//
//	<block ULID>/block/…     a whole block, as on a TSDB's disk
//	<block ULID>/meta.sha256 the hash of its meta.json, which has those of the rest
//	<block ULID>/lock        shared while the block is in use; changed when it was used last
//	fetching-<bytes>-…/      a block on its way in, made of the same three
//	removed-…/               a block on its way out
//	lock                     exclusive, held for a moment by whoever makes room
//
// Any number of processes may use one folder. Locks are flock(2): they end with
// the process that holds them, however it ends. These hold at any time:
//
//   - A folder named by a ULID holds a whole block, whose files were synced
//     before it got its name. What a crash, a full disk or a person does to it
//     later is found when it is opened or read.
//   - What nobody holds a lock of, anybody may remove: blocks to make room, the
//     least recently used first, and what a killed process has left of a fetch.
//   - All blocks, and the room set aside for those on their way, take no more
//     than the bound.
//
// A ULID is made once in the world, so blocks of all buckets lie side by side.
package blockcache
