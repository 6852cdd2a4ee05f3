package doors

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// slowClients is how many clients are slow at a time: more than there are
// slots, and more than there is memory for bodies if each took its part of it
// before it has sent anything.
const slowClients = 250

// openings are what slow clients send before they send no more, or nothing but
// a byte now and then.
var openings = map[string]string{
	"nothing":            "",
	"half-a-header":      "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nX-Half: ",
	"endless-headers":    "POST /api/v1/write HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-More: more\r\n", 100),
	"large-body":         writeHead("Content-Length: 2000000"),
	"small-body":         writeHead("Content-Length: 100"),
	"chunks":             writeHead("Transfer-Encoding: chunked") + "5\r\nabcde\r\n",
	"chunk-of-many":      writeHead("Transfer-Encoding: chunked") + "1fffffff\r\n",
	"body-of-a-get":      "GET /api/v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc",
	"body-for-no-writer": "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nabc",
}

func writeHead(length string) string {
	return "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n" + length + "\r\n\r\nabc"
}

// TestSlowClients has clients that are slow on purpose, more than the receiver
// takes writes at a time, and comes with another for each that it gets rid of.
// A good sender gets its batches through all the while, the other endpoints
// answer, and the run ends.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	for name, opening := range openings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "slow-" + name
			dir := harness.Dir(t)
			bucket := harness.DirectoryBucket(t, dir)
			limits := limits{requestBytes: 2 * mib, concurrent: 8}
			r := limits.receive(t, dir, bucket, run)
			slow := beSlow(t, r.Address, opening)
			good := startGood(t, r)
			good.wait(t, 100)
			if _, err := r.State(); err != nil {
				t.Errorf("the status does not answer: %v", err)
			}
			good.end()
			terminate(t, r.Process)
			slow.end()
			checkArchived(t, dir, bucket, run, good.Sender)
		})
	}
}

// slowness is a crowd of slow clients.
type slowness struct {
	mu      sync.Mutex
	over    bool
	conns   map[net.Conn]bool
	clients sync.WaitGroup
}

// beSlow opens the connections, and waits until all of them have said what
// they have to say.
func beSlow(t *testing.T, address, opening string) *slowness {
	t.Helper()
	s := &slowness{conns: map[net.Conn]bool{}}
	t.Cleanup(s.end)
	var opened sync.WaitGroup
	for range slowClients {
		opened.Add(1)
		s.clients.Go(func() {
			once := sync.OnceFunc(opened.Done)
			defer once()
			for s.connect(address, opening, once) == nil {
			}
		})
	}
	opened.Wait()
	return s
}

// connect is one slow client from its first byte until the receiver has had
// enough of it.
func (s *slowness) connect(address, opening string, opened func()) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if !s.register(c) {
		return fmt.Errorf("it is over")
	}
	defer s.forget(c)
	if _, err := io.WriteString(c, opening); err == nil {
		opened()
		_, _ = io.Copy(io.Discard, c) // until the receiver closes it
	}
	return nil
}

func (s *slowness) register(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	return !s.over
}

func (s *slowness) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// end closes all connections and opens no more.
func (s *slowness) end() {
	s.mu.Lock()
	s.over = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.clients.Wait()
}
