package blockwriter

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/benchkeep/benchkeep/blockwriter/headcut"
)

// pause holds appends back while the database does what it cannot do beside
// them. All of it happens in the goroutine that cuts, under workMu.
//
// While the head truncates its chunk files, an append that opens a chunk file
// in the wrong moment makes the next one panic: "expected newly cut file to
// have sequence:offset" (prometheus/prometheus#10291, #11618). Of a cut the
// truncation is the short part: it comes after the database has loaded the new
// blocks, when it asks which old ones to delete, and is over when the compactor
// is called again or the cut returns.
//
// While late samples are cut, one that comes meanwhile makes the log say that
// those before it have left memory, although they are in no block yet: a crash
// then loses them. So nothing may come from the beginning of such a cut to its
// end.
type pause struct {
	run    *Run
	active bool // a cut is under way
	whole  bool // and nothing may be appended until it is over
	held   bool

	compactor tsdb.Compactor  // the database's own
	writer    *headcut.Writer // of blocks from the head
}

// during runs a cut, and holds appends back while the head truncates.
func (p *pause) during(cut func() error) error {
	p.active = true
	defer func() {
		p.whole = false
		p.end()
		p.active = false
	}()
	return cut()
}

// throughout runs a cut, and holds appends back from its beginning to its end.
func (p *pause) throughout(cut func() error) error {
	return p.during(func() error {
		p.begin()
		p.whole = true
		return cut()
	})
}

func (p *pause) begin() {
	if p.active && !p.held {
		p.run.appendMu.Lock()
		p.held = true
	}
}

func (p *pause) end() {
	if p.held && !p.whole {
		p.held = false
		p.run.appendMu.Unlock()
	}
}

// pausingCompactor is the database's compactor, which ends the pause: while
// blocks are written, appends go on.
type pausingCompactor struct {
	tsdb.Compactor
	pause *pause
}

// newCompactor is a tsdb.NewCompactorFunc.
func (p *pause) newCompactor(ctx context.Context, reg prometheus.Registerer, l *slog.Logger, ranges []int64, pool chunkenc.Pool, o *tsdb.Options) (tsdb.Compactor, error) {
	c, err := tsdb.NewLeveledCompactorWithOptions(ctx, reg, l, ranges, pool, tsdb.LeveledCompactorOptions{
		MaxBlockChunkSegmentSize:    o.MaxBlockChunkSegmentSize,
		EnableOverlappingCompaction: true,
	})
	if err != nil {
		return nil, err
	}
	p.compactor = c
	p.writer = headcut.New(ctx, l, c, headcut.Options{SegmentSize: o.MaxBlockChunkSegmentSize, FileDone: p.run.fileDone})
	return &pausingCompactor{Compactor: c, pause: p}, nil
}

func (c *pausingCompactor) Plan(dir string) ([]string, error) {
	c.pause.end()
	return c.Compactor.Plan(dir)
}

func (c *pausingCompactor) Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	c.pause.end()
	return c.pause.write(dest, b, mint, maxt, base)
}

// write writes a block, and notes how long that took.
func (p *pause) write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	start := time.Now()
	ids, err := p.writer.Write(dest, b, mint, maxt, base)
	for _, id := range ids {
		if meta, err := readMeta(filepath.Join(dest, id.String())); err == nil {
			p.run.pace.sawCut(meta.Stats, time.Since(start))
		}
	}
	return ids, err
}

func (c *pausingCompactor) Compact(dest string, dirs []string, open []*tsdb.Block) ([]ulid.ULID, error) {
	c.pause.end()
	return c.Compactor.Compact(dest, dirs, open)
}
