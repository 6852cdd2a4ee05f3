// Package headcut writes a block from a TSDB head with all processors, in a
// fraction of the time that the library takes, and byte for byte what the
// library would have written.
//
// # Passes
//
// A block is written in passes over the series of the head (see cut.writeData):
//
//  1. Chunks. In the head's order, find what each series has in the range. A
//     chunk that needs nothing left out is taken as it is.
//  2. Labels. Sort all names and values; the sorted strings are the block's
//     symbols. Number the label pairs by name and value.
//  3. Postings. Read which series have a pair, and turn that around into the
//     pairs of each series, ascending.
//  4. Sort. Series compare as the lists of their pairs' numbers do.
//  5. Series, in the order of the block: chunks, then index entries. The places
//     of the entries are put where the series stood in the postings.
//  6. What is left of the index: postings, where they are, and where all of
//     that is.
//
// Passes 1 to 5 are done by several goroutines. Files are written front to
// back nevertheless: goroutines encode what they can, and take turns to append
// it. So files can be hashed on the way, and be told of when they are complete.
//
// What takes time is waiting for memory, more than anything else. Hence the
// first pass: it goes through memory in order, where the order of the block
// would jump about in it. And hence numbers instead of strings.
//
// # What is as in the library
//
// Of tsdb v0.315.0 the package repeats index.Writer, chunks.Writer, and the
// frame of LeveledCompactor.write. What a block is to have of a series that is
// not taken whole is left to tsdb.NewBlockChunkSeriesSet. The tests hold every
// file against that of the library that go.mod names.
//
// Only in two cases may bytes differ, samples never: where a chunk is still
// being appended to and comes from a snapshot of the head's memory, it is
// copied, and the library's new encoding may choose other bit widths; and a
// histogram chunk that is appended to while the block is written may have
// another counter reset hint. Isolation is not looked at: what has been
// appended counts, committed by then or not.
//
// # Chunk files
//
//	magic 0x85BD40DD  4 bytes
//	version 1         1 byte
//	zeros             3 bytes
//	chunks:
//	  length of data  uvarint
//	  encoding        1 byte
//	  data
//	  CRC-32C         4 bytes, of encoding and data
//
// A chunk's reference is the number of its file, from 0, times 1<<32 plus its
// offset. Files are named by their number plus one, with six digits.
//
// # Index
//
// All numbers of fixed size are big-endian. A text is a uvarint length and
// bytes. Checksums are CRC-32C and take 4 bytes.
//
//	magic 0xBAAAD700   4 bytes
//	version 2          1 byte
//	symbols:
//	  size             4 bytes, of what follows but the checksum
//	  number           4 bytes
//	  texts            sorted; names and values of the whole head
//	  checksum         of number and texts
//	series, sorted, each at a multiple of 16:
//	  size             uvarint, of what follows but the checksum
//	  labels           uvarint number, and for each the symbols of name and
//	                   value, uvarint
//	  chunks           uvarint number, and for each
//	    begin          varint ms; later ones uvarint, since the end before
//	    end            uvarint ms since begin
//	    reference      uvarint; later ones varint, from the reference before
//	  checksum         of labels and chunks
//	postings, the first at a multiple of 4; of all series, then of each pair:
//	  size             4 bytes, of what follows but the checksum
//	  number           4 bytes
//	  series           4 bytes each: offset / 16
//	  checksum         of number and series
//	postings table:
//	  size             4 bytes, of what follows but the checksum
//	  number           4 bytes
//	  entries          2 (1 byte), text name, text value, uvarint offset
//	  checksum         of number and entries
//	table of contents, 8 bytes each:
//	  offsets of       symbols, series, postings (as end of the series),
//	                   postings table (as that of the labels), postings,
//	                   postings table
//	  checksum         of the offsets
//
// Source: https://github.com/prometheus/prometheus/tree/main/tsdb/docs/format,
// index.md and chunks.md.
package headcut
