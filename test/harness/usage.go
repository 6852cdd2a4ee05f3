package harness

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A Usage is what a receiver holds at a time: of memory after a garbage
// collection, of the system, and of its storage path.
type Usage struct {
	Heap, FDs, Goroutines float64
	Segments, Blocks      int
}

// Usage collects the receiver's garbage and looks what is left.
func (r *Receiver) Usage() Usage {
	r.t.Helper()
	if status, err := r.Get("/debug/pprof/heap?gc=1"); err != nil || status != http.StatusOK {
		r.t.Fatalf("collect garbage: status %d: %v", status, err)
	}
	var u Usage
	for name, to := range map[string]*float64{
		"go_memstats_heap_inuse_bytes": &u.Heap,
		"process_open_fds":             &u.FDs,
		"go_goroutines":                &u.Goroutines,
	} {
		v, err := r.Metric(name)
		if err != nil {
			r.t.Fatal(err)
		}
		*to = v
	}
	segments, err := filepath.Glob(filepath.Join(r.Storage, "tsdb", "wal", "0*"))
	if err != nil {
		r.t.Fatal(err)
	}
	u.Segments, u.Blocks = len(segments), r.localBlocks()
	return u
}

// AnonymousMemory is the memory that the program has resident and that is no
// page of a file, in bytes. Other goroutines than the test's may call it.
func (p *Process) AnonymousMemory() (int64, error) {
	kib, err := procStatus(p.cmd.Process.Pid, "RssAnon")
	return kib << 10, err
}

// localBlocks is the number of blocks in the storage path.
func (r *Receiver) localBlocks() (n int) {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.Storage, "tsdb"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil {
			n++
		}
	}
	return n
}

// Get asks for a page of the receiver's and gives the answer's status. Other
// goroutines than the test's may call it.
func (r *Receiver) Get(path string) (int, error) {
	status, _, err := get(r.URL + path)
	return status, err
}

// Head is the range of time and the number of series that the receiver's head
// has, as the status endpoint tells it.
func (r *Receiver) Head() (mint, maxt, series int64, err error) {
	var status struct {
		Head struct{ Series, MinTime, MaxTime int64 }
	}
	err = getJSON(r.URL+"/api/v1/status", &status)
	return status.Head.MinTime, status.Head.MaxTime, status.Head.Series, err
}

// EachSeries reads the bucket's blocks one after the other, for what is too
// much for a Set. Blocks come in order of time; the iterator is valid during
// the call only.
func (b Bucket) EachSeries(t testing.TB, dir string, f func(Block, labels.Labels, chunkenc.Iterator)) {
	t.Helper()
	copies, err := os.MkdirTemp(dir, "blocks-")
	if err != nil {
		t.Fatalf("make folder: %v", err)
	}
	for _, block := range b.Download(t, copies) {
		if err := block.eachSeries(f); err != nil {
			t.Fatalf("read block %s: %v", block.ULID, err)
		}
	}
}

func (block Block) eachSeries(f func(Block, labels.Labels, chunkenc.Iterator)) error {
	opened, err := tsdb.OpenBlock(nil, block.dir, nil, nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	q, err := tsdb.NewBlockQuerier(opened, block.MinTime, block.MaxTime)
	if err != nil {
		return err
	}
	defer q.Close()
	everything := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".*")
	all := q.Select(context.Background(), false, nil, everything)
	var it chunkenc.Iterator
	for all.Next() {
		it = all.At().Iterator(it)
		f(block, all.At().Labels(), it)
		if err := it.Err(); err != nil {
			return fmt.Errorf("series %s: %w", all.At().Labels(), err)
		}
	}
	return all.Err()
}
