package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"
)

// MetricSeries counts the run's series by metric, from the indexes of its
// current raw blocks. Of the blocks with the same labels the one with the most
// series of a metric counts: that they are the same series is not looked into.
func (r *Run) MetricSeries(ctx context.Context, bkt objstore.BucketReader) (map[string]int64, error) {
	blocks, _ := partition(r.Current(), func(b *StoredBlock) bool { return b.Raw() && !b.absent })
	counts := make([]map[string]int64, len(blocks))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(indexesAtOnce)
	for i, b := range blocks {
		group.Go(func() (err error) {
			if counts[i], err = seriesByMetric(groupCtx, bkt, b.ULID); err != nil {
				err = fmt.Errorf("read %s: %w", BlockObject(b.ULID, IndexFile), err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	most := map[string]map[string]int64{} // by labels
	for i, b := range blocks {
		key := labelsKey(b.Labels)
		if most[key] == nil {
			most[key] = map[string]int64{}
		}
		for metric, n := range counts[i] {
			most[key][metric] = max(most[key][metric], n)
		}
	}
	total := map[string]int64{}
	for _, metrics := range most {
		for metric, n := range metrics {
			total[metric] += n
		}
	}
	return total, nil
}

const (
	// indexesAtOnce bounds the indexes that are read at a time.
	indexesAtOnce = 4
	// tocSize is the length of an index's table of contents: six offsets and a
	// checksum. The last is that of the postings offset table.
	tocSize = 6*8 + 4
	// postingsFraming is what a list of series takes besides 4 bytes for each:
	// its length, the number of series, and a checksum.
	postingsFraming = 3 * 4
	// maxLabelBytes bounds what is read of one label: more is a broken index.
	maxLabelBytes = 1 << 20
)

var errBrokenIndex = errors.New("the index is broken")

// seriesByMetric counts the series of each metric in a block. It reads no more
// of the index than the table that says where the list of the series of each
// label is: the lists lie one after the other, so that the place of the next
// tells how many series one has. Thanos' Store takes their lengths from there
// too.
//
// Source: Prometheus' tsdb/docs/format/index.md.
func seriesByMetric(ctx context.Context, bkt objstore.BucketReader, block ulid.ULID) (_ map[string]int64, err error) {
	object := BlockObject(block, IndexFile)
	attrs, err := bkt.Attributes(ctx, object)
	if err != nil {
		return nil, err
	}
	if attrs.Size < tocSize {
		return nil, errBrokenIndex
	}
	toc, err := readRange(ctx, bkt, object, attrs.Size-tocSize, tocSize)
	if err != nil {
		return nil, err
	}
	sum := crc32.Checksum(toc[:tocSize-4], crc32.MakeTable(crc32.Castagnoli))
	table := int64(binary.BigEndian.Uint64(toc[tocSize-12:]))
	if binary.BigEndian.Uint32(toc[tocSize-4:]) != sum || table < 0 || table > attrs.Size-tocSize {
		return nil, errBrokenIndex
	}
	if table == 0 {
		return map[string]int64{}, nil
	}
	r, err := bkt.GetRange(ctx, object, table, attrs.Size-tocSize-table)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return readPostingsTable(bufio.NewReader(r), table)
}

// readPostingsTable reads the postings offset table as far as the metrics'
// names go. Entries are sorted by label. The lists end where the table, or a
// section between them, begins: nothing follows the last list but the table.
func readPostingsTable(r *bufio.Reader, table int64) (map[string]int64, error) {
	var header [8]byte // length, number of entries
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	metric, start := "", int64(-1) // the last metric, and where its list begins
	end := func(at int64) error {
		if start < 0 {
			return nil
		}
		size := at - start - postingsFraming
		if size < 0 || size%4 != 0 {
			return errBrokenIndex
		}
		counts[metric], start = size/4, -1
		return nil
	}
	for range binary.BigEndian.Uint32(header[4:]) {
		name, value, offset, err := readPostingsEntry(r)
		if err != nil {
			return nil, err
		}
		if err := end(offset); err != nil {
			return nil, err
		}
		if name > "__name__" {
			return counts, nil
		}
		if name == "__name__" {
			metric, start = value, offset
		}
	}
	return counts, end(table)
}

func readPostingsEntry(r *bufio.Reader) (name, value string, offset int64, err error) {
	keys, err := r.ReadByte()
	if err == nil && keys != 2 {
		err = errBrokenIndex
	}
	if err != nil {
		return "", "", 0, err
	}
	if name, err = readString(r); err != nil {
		return "", "", 0, err
	}
	if value, err = readString(r); err != nil {
		return "", "", 0, err
	}
	at, err := binary.ReadUvarint(r)
	return name, value, int64(at), err
}

func readString(r *bufio.Reader) (string, error) {
	n, err := binary.ReadUvarint(r)
	if err == nil && n > maxLabelBytes {
		err = errBrokenIndex
	}
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func readRange(ctx context.Context, bkt objstore.BucketReader, object string, offset, length int64) (_ []byte, err error) {
	r, err := bkt.GetRange(ctx, object, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data := make([]byte, length)
	_, err = io.ReadFull(r, data)
	return data, err
}
