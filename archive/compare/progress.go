package compare

import "sync"

// progress counts evaluations. It may be used by several goroutines.
type progress struct {
	show  func(done, total int64) // may be nil
	total int64

	mu   sync.Mutex
	done int64
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.show != nil {
		p.show(p.done, p.total)
	}
}
