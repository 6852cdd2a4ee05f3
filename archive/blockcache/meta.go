package blockcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

const (
	// maxMeta bounds what is read of a meta.json, in bytes.
	maxMeta = 16 << 20
	// maxFile is more bytes than a file of a block ever has, and few enough for
	// sums of them.
	maxFile = 1 << 40
)

// metaSumFile has the hash of meta.json, which no list of files can have.
const metaSumFile = "meta.sha256"

func metaSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// segmentPath is what a chunk segment is called below its block's folder.
var segmentPath = regexp.MustCompile(`^chunks/[0-9]{6}$`)

// A BlockError is a block that cannot be had from the bucket as its meta.json
// describes it.
type BlockError struct {
	Block ulid.ULID
	Err   error
}

func (e *BlockError) Error() string { return fmt.Sprintf("block %s: %v", e.Block, e.Err) }
func (e *BlockError) Unwrap() error { return e.Err }

func blockErrorf(id ulid.ULID, format string, args ...any) error {
	return &BlockError{Block: id, Err: fmt.Errorf(format, args...)}
}

// meta is as much of a meta.json as it takes to fetch the block.
type meta struct {
	raw    []byte
	files  []archive.File // index and segments
	labels map[string]string
}

// bytes is the room that the block takes.
func (m *meta) bytes() int64 {
	n := int64(len(m.raw) + hex.EncodedLen(sha256.Size))
	for _, f := range m.files {
		n += f.SizeBytes
	}
	return n
}

// readMeta gets a block's meta.json from the bucket.
func readMeta(ctx context.Context, bkt objstore.BucketReader, id ulid.ULID) (_ *meta, err error) {
	object := archive.BlockObject(id, archive.MetaFile)
	r, err := bkt.Get(ctx, object)
	if err != nil {
		return nil, getError(bkt, id, object, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(r, maxMeta+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	if len(raw) > maxMeta {
		return nil, blockErrorf(id, "%s is larger than %d bytes", archive.MetaFile, maxMeta)
	}
	m, err := decodeMeta(raw, id)
	if err != nil {
		return nil, blockErrorf(id, "%s: %w", archive.MetaFile, err)
	}
	return m, nil
}

// getError says of an object that could not be got whether it is just not there.
func getError(bkt objstore.BucketReader, id ulid.ULID, object string, err error) error {
	if bkt.IsObjNotFoundErr(err) {
		return blockErrorf(id, "%s is not in the bucket any more; a run that goes on and a Thanos Compactor replace blocks: try again", object)
	}
	return fmt.Errorf("read %s: %w", object, err)
}

// decodeMeta takes no name from the bucket for a path: what it returns lists
// the index and segments, each once, and nothing else.
func decodeMeta(raw []byte, id ulid.ULID) (*meta, error) {
	var content struct {
		ULID   ulid.ULID
		Thanos struct {
			Labels map[string]string
			Files  []archive.File
		}
	}
	if err := json.Unmarshal(raw, &content); err != nil {
		return nil, err
	}
	if content.ULID != id {
		return nil, fmt.Errorf("it is of block %s", content.ULID)
	}
	m := &meta{raw: raw, labels: content.Thanos.Labels}
	listed := map[string]bool{}
	for _, f := range content.Thanos.Files {
		switch {
		case f.RelPath == archive.MetaFile:
			continue
		case f.RelPath != archive.IndexFile && !segmentPath.MatchString(f.RelPath):
			return nil, fmt.Errorf("thanos.files lists %q, which is no file of a block", f.RelPath)
		case listed[f.RelPath]:
			return nil, fmt.Errorf("thanos.files lists %s twice", f.RelPath)
		case f.SizeBytes < 0 || f.SizeBytes > maxFile:
			return nil, fmt.Errorf("thanos.files says that %s has %d bytes", f.RelPath, f.SizeBytes)
		}
		listed[f.RelPath] = true
		m.files = append(m.files, f)
	}
	if !listed[archive.IndexFile] {
		return nil, fmt.Errorf("thanos.files lists no %s", archive.IndexFile)
	}
	return m, nil
}
