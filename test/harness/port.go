package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports come from below the range that kernels hand out for outgoing
// connections, so that none of those can take a port between this program's
// look and the start of the program that it is for.
const (
	firstPort = 20000
	lastPort  = 29999
)

var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreeAddress is a loopback address that nothing listens on and that was given
// to nobody else in this test process.
func FreeAddress(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range lastPort - firstPort {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if given.ports[port] {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		given.ports[port] = true
		return address
	}
	t.Fatal("no free port")
	return ""
}
