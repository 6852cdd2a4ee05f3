package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/golang/snappy"
)

// A load is a workload, encoded.
type load struct {
	workload
	// begin is the time of the first sample in Unix ms.
	begin   int64
	scripts []*script
}

// A script is what one sender sends: the bodies of its requests, which are in
// a file because they may be more than there is memory.
type script struct {
	file *os.File
	// scrapes has the requests of each scrape, in order.
	scrapes [][]request
}

// A request is a body's place in its script's file, and what is in it.
type request struct {
	offset          int64
	length, samples int
}

// encodeLoad encodes every request of the workload into files in the folder.
func encodeLoad(ctx context.Context, dir string, w workload) (*load, error) {
	l := &load{workload: w, begin: w.start(time.Now()), scripts: make([]*script, w.senders)}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var encoding sync.WaitGroup
	for i := range l.scripts {
		from, to := i*w.series/w.senders, (i+1)*w.series/w.senders
		encoding.Go(func() {
			path := filepath.Join(dir, fmt.Sprintf("requests-%d", i))
			s, err := encodeScript(ctx, path, w, from, to, l.begin)
			if err != nil {
				cancel(err)
			}
			l.scripts[i] = s
		})
	}
	encoding.Wait()
	if err := context.Cause(ctx); err != nil {
		l.close()
		return nil, fmt.Errorf("encode requests: %w", err)
	}
	return l, nil
}

func (l *load) close() {
	for _, s := range l.scripts {
		if s != nil {
			s.file.Close() // it was only read
		}
	}
}

// encodeScript encodes what the sender of the slots from (inclusive) to
// (exclusive) sends. The file has all scrapes of a request's series one after
// the other, because so their labels are made once.
func encodeScript(ctx context.Context, path string, w workload, from, to int, begin int64) (_ *script, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	s := &script{file: file, scrapes: make([][]request, w.samples)}
	out := bufio.NewWriterSize(file, 1<<20)
	var offset int64
	for ; from < to; from += perRequest {
		b := newBatch(w, from, min(from+perRequest, to))
		for scrape := range w.samples {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			body, err := b.encode(scrape, begin+int64(scrape)*scrapeInterval.Milliseconds())
			if err != nil {
				return nil, err
			}
			if _, err := out.Write(body); err != nil {
				return nil, err
			}
			s.scrapes[scrape] = append(s.scrapes[scrape], request{offset: offset, length: len(body), samples: len(b.ids)})
			offset += int64(len(body))
		}
	}
	return s, out.Flush()
}

// A batch encodes the requests of neighbouring slots, one scrape after the
// other. Of its message only what has changed since the last is set anew.
type batch struct {
	workload
	from    int
	ids     []uint64
	message message

	plain, packed []byte
}

func newBatch(w workload, from, to int) *batch {
	b := &batch{workload: w, from: from, ids: make([]uint64, to-from)}
	if w.protocol == remoteWrite2 {
		b.message = &message2{}
	} else {
		b.message = &message1{}
	}
	return b
}

// encode gives the body of the scrape's request, valid until the next call.
func (b *batch) encode(scrape int, t int64) ([]byte, error) {
	renamed := scrape == 0
	for i := range b.ids {
		id := b.id(b.from+i, scrape)
		renamed = renamed || id != b.ids[i]
		b.ids[i] = id
	}
	if renamed {
		b.message.name(b.ids)
	}
	for i, id := range b.ids {
		if b.histograms {
			b.message.putHistogram(i, t, nativeHistogram(id, scrape))
		} else {
			b.message.putFloat(i, t, value(id, scrape))
		}
	}
	b.plain = slices.Grow(b.plain[:0], b.message.Size())
	n, err := b.message.MarshalTo(b.plain[:b.message.Size()])
	if err != nil {
		return nil, err
	}
	b.packed = snappy.Encode(b.packed[:cap(b.packed)], b.plain[:n])
	return b.packed, nil
}
