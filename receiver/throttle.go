package receiver

import (
	"sync"
	"time"
)

// throttle lets one event a second and kind through. The zero value is ready;
// it is safe for concurrent use.
type throttle struct {
	mu   sync.Mutex
	last map[int]time.Time
}

func (t *throttle) allow(kind int, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last[kind]) < time.Second {
		return false
	}
	if t.last == nil {
		t.last = map[int]time.Time{}
	}
	t.last[kind] = now
	return true
}
