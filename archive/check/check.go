package check

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

// A Report is what a check of one run has found.
type Report struct {
	Run     string  `json:"run"`
	Verdict Verdict `json:"verdict"`
	// State is empty where no manifest could be read.
	State archive.State `json:"state"`
	// Blocks is how many blocks were checked, Bytes how many bytes of them were
	// read.
	Blocks int   `json:"blocks"`
	Bytes  int64 `json:"bytes"`
	// Series and Samples are what was found in blocks that are not downsampled.
	Series  int64 `json:"series"`
	Samples int64 `json:"samples"`
	// Skipped are the blocks that were not checked, or not all of them.
	Skipped  []Skipped `json:"skipped"`
	Findings []Finding `json:"findings"`
}

// Skipped says of a block what was not checked, and why.
type Skipped struct {
	Block ulid.ULID `json:"block"`
	Why   string    `json:"why"`
}

// Progress is how far a check is.
type Progress struct {
	Blocks, BlocksDone int
	Bytes, BytesDone   int64 // Bytes is what the blocks' meta.json say
}

// check is a check under way.
type check struct {
	findings
	bkt      objstore.BucketReader
	run      *archive.Run
	progress func(Progress)
	at       Progress

	parts []*part
	// unreadable are the manifests that could not be decoded.
	unreadable map[string]bool
	blocks     []*block
	accounts   []*account
	report     Report
}

// Run checks a run as the catalogue has it, whose manifests and blocks it reads
// anew. The function is told how far the check is, by one goroutine at a time;
// it may be nil.
//
// An error means that the bucket could not be read, that there was no room in
// the temporary folder, or that ctx is done. It comes without a report.
func Run(ctx context.Context, bkt objstore.BucketReader, run *archive.Run, progress func(Progress)) (*Report, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	c := &check{bkt: bkt, run: run, progress: progress, unreadable: map[string]bool{}}
	c.report = Report{Run: run.ID, Skipped: []Skipped{}}
	if err := c.readParts(ctx); err != nil {
		return nil, err
	}
	if err := c.readBlocks(ctx); err != nil {
		return nil, err
	}
	c.assign()
	c.openAccounts()
	c.checkOverlaps()
	if err := c.checkBlocks(ctx); err != nil {
		return nil, err
	}
	c.settle()
	c.report.State = c.state()
	c.report.Findings = append([]Finding{}, c.list...)
	c.report.Verdict = verdict(c.report.State, c.list)
	return &c.report, nil
}

// checkBlocks reads one block after the other, those first that were made first.
func (c *check) checkBlocks(ctx context.Context) error {
	var todo []*block
	for _, b := range c.blocks {
		if b.role == roleRaw || b.role == roleDownsampled || b.role == roleInvisible {
			todo = append(todo, b)
			c.at.Bytes += b.meta.dataBytes()
		}
	}
	c.at.Blocks = len(todo)
	for _, b := range todo {
		c.progress(c.at)
		if err := c.checkBlock(ctx, b); err != nil {
			return fmt.Errorf("check block %s: %w", b.id, err)
		}
		c.at.BlocksDone++
	}
	c.progress(c.at)
	return nil
}

func (c *check) skip(b *block, why string) {
	c.report.Skipped = append(c.report.Skipped, Skipped{Block: b.id, Why: why})
}

// read gets a small object; found is false where there is none.
func (c *check) read(ctx context.Context, object string) (_ []byte, found bool, err error) {
	var data bytes.Buffer
	_, err = c.copy(ctx, &data, object)
	switch {
	case err == nil:
		return data.Bytes(), true, nil
	case c.bkt.IsObjNotFoundErr(err):
		return nil, false, nil
	default:
		return nil, false, fmt.Errorf("read %s: %w", object, err)
	}
}

// copy reads an object. The error is as the bucket made it.
func (c *check) copy(ctx context.Context, to io.Writer, object string) (int64, error) {
	r, err := c.bkt.Get(ctx, object)
	if err != nil {
		return 0, err
	}
	defer r.Close() // what could not be read, reading has told
	return io.Copy(to, r)
}
