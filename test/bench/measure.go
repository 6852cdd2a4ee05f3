package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A result is what one peer has cost for one load.
type result struct {
	peer peer
	// sent are the samples of the load, first those that were the first of
	// their series in the first scrape.
	sent, first int64
	// firstCPU and restCPU are the CPU time until the first scrape's last
	// answer, and from then to the last of all.
	firstCPU, restCPU time.Duration
	// loadMemory and memory are the most memory that was resident until the
	// last answer and until the end, in bytes.
	loadMemory, memory int64
	// finish goes from the order to finish until everything is in the bucket
	// and the program has ended; finishCPU is the CPU time from the last answer on.
	finish, finishCPU time.Duration
	// archived and bytes are what was found in the bucket: the samples of its
	// blocks, and the size of all that is there.
	archived, bytes int64
	// retries is how often the receiver asked a sender to try again.
	retries int64
	remark  string
}

// measure runs a peer in a folder of its own, sends it the load, finishes it,
// and looks what is in the bucket.
func measure(ctx context.Context, p peer, l *load, dir string) (result, error) {
	s := &stage{programs: p.programs, dir: dir}
	if _, err := s.subfolder(); err != nil {
		return result{}, err
	}
	defer s.endAll()
	b, err := s.startBucket(ctx)
	if err != nil {
		return result{}, err
	}
	infrastructure := len(s.processes)
	r, err := p.start(ctx, s, b)
	if err != nil {
		return result{}, err
	}
	m := result{peer: p, sent: l.total(), first: int64(l.series)}
	before, err := r.cpu()
	if err != nil {
		return m, err
	}
	if err := m.measureLoad(ctx, r, l); err != nil {
		return m, err
	}
	m.loadMemory = r.readPeak()

	begin := time.Now()
	if m.remark, err = r.finish(ctx); err != nil {
		return m, fmt.Errorf("finish: %w", err)
	}
	m.finish = time.Since(begin)
	m.finishCPU = -(before + m.firstCPU + m.restCPU)
	for _, own := range s.processes[infrastructure:] {
		cpu, err := own.cpu()
		if err != nil {
			return m, err
		}
		m.finishCPU += cpu
		m.memory += own.readPeak()
	}
	return m, m.measureBucket(ctx, b)
}

// measureLoad sends the load.
func (m *result) measureLoad(ctx context.Context, r *receiver, l *load) error {
	d := &delivery{load: l, url: r.url}
	for _, part := range []struct {
		from, to int
		cpu      *time.Duration
	}{{0, 1, &m.firstCPU}, {1, l.samples, &m.restCPU}} {
		before, err := r.cpu()
		if err != nil {
			return err
		}
		if err := d.send(ctx, part.from, part.to); err != nil {
			return err
		}
		after, err := r.cpu()
		if err != nil {
			return err
		}
		*part.cpu = after - before
	}
	m.retries = d.retries.Load()
	return nil
}

// measureBucket looks what is in the bucket. A peer may have lost samples, and
// the tables show it; benchkeep must not.
func (m *result) measureBucket(ctx context.Context, b bucket) (err error) {
	if !m.peer.archives {
		return nil
	}
	if m.bytes, err = b.bytes(); err != nil {
		return err
	}
	if m.archived, err = b.samples(ctx); err != nil {
		return err
	}
	if m.archived > m.sent {
		return fmt.Errorf("%d samples were sent, %d are in the bucket", m.sent, m.archived)
	}
	if m.peer.name != productName {
		return nil
	}
	if m.archived != m.sent {
		err = fmt.Errorf("%d samples were sent, only %d are in the bucket", m.sent, m.archived)
	}
	return errors.Join(err, b.checkManifest(m.sent))
}
