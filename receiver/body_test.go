package receiver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// padded is an encoded request without series, of exactly n bytes once it is
// decompressed. Random bytes make it as large as it can be compressed.
func padded(t *testing.T, n int, random bool) []byte {
	t.Helper()
	lengthBytes := len(binary.AppendUvarint(nil, uint64(n-2)))
	filling := make([]byte, n-1-lengthBytes)
	if random {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range filling {
			filling[i] = byte(rng.Uint32())
		}
	}
	decoded := pbField(15, filling)
	require.Equal(t, n, len(decoded))
	return snappy.Encode(nil, decoded)
}

func TestRequestSizeLimit(t *testing.T) {
	const limit = 1024
	for name, tc := range map[string]struct {
		body   []byte
		status int
	}{
		"as large as allowed":           {padded(t, limit, false), http.StatusNoContent},
		"as large, not compressible":    {padded(t, limit, true), http.StatusNoContent},
		"a byte more":                   {padded(t, limit+1, false), http.StatusRequestEntityTooLarge},
		"a byte more, not compressible": {padded(t, limit+1, true), http.StatusRequestEntityTooLarge},
		"many times more":               {padded(t, 8*limit, false), http.StatusRequestEntityTooLarge},
		"many times more on the wire":   {padded(t, 8*limit, true), http.StatusRequestEntityTooLarge},
		"said to be 4 GiB":              {[]byte("\xff\xff\xff\xff\x0f\x00a"), http.StatusRequestEntityTooLarge},
	} {
		for sent, body := range map[string]io.Reader{
			"with a length":    bytes.NewReader(tc.body),
			"without a length": struct{ io.Reader }{bytes.NewReader(tc.body)},
		} {
			t.Run(name+" "+sent, func(t *testing.T) {
				a := serve(t, &fakeRun{}, Options{RequestBytes: limit}).do(http.MethodPost, "/api/v1/write", body, writeHeader(version2)...)
				require.Equal(t, tc.status, a.status)
				require.Equal(t, []string{"0", "0", "0"}, a.written())
				if tc.status != http.StatusNoContent {
					require.Contains(t, a.body, "--limit.request-bytes")
				}
			})
		}
	}
}

// A body that is announced as too large is refused before any of it comes.
func TestAnnouncedSizeIsRefusedUnread(t *testing.T) {
	conn := serve(t, &fakeRun{}, Options{RequestBytes: 1024}).dial()
	conn.send("POST /api/v1/write HTTP/1.1", "Host: test", "Content-Length: 1099511627776")
	a := conn.answer()
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	require.Contains(t, a.body, "1099511627776 bytes")
}

func TestNothingIsAllocatedForALyingHeader(t *testing.T) {
	for name, header := range map[string]string{
		"4 GiB":            "\xff\xff\xff\xff\x0f",
		"one over":         "\x81\x08", // 1025
		"longer than that": "\x80\x80\x80\x80\x08",
	} {
		t.Run(name, func(t *testing.T) {
			c := &call{}
			c.encoded = []byte(header + "\x00a")
			_, err := c.decompress(1024)
			require.ErrorIs(t, err, errTooLarge)
			require.Zero(t, cap(c.decoded))
		})
	}
}

func TestCallKeepsItsMemoryWithinBounds(t *testing.T) {
	read := func(c *call, n int) []byte {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(padded(t, n, true)))
		require.NoError(t, err)
		decoded := readAll(t, c, req)
		require.Equal(t, n, len(decoded))
		return decoded
	}
	c := &call{}
	first := read(c, 1000)
	c.release()
	require.Same(t, &first[0], &read(c, 900)[0], "memory is used again")
	c.release()

	filling := pbField(15, make([]byte, maxKeptBytes+1))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(snappy.Encode(nil, filling)))
	require.NoError(t, err)
	readAll(t, c, req)
	require.Greater(t, cap(c.decoded), maxKeptBytes)
	c.encoded = slices.Grow(c.encoded, maxKeptBytes+1)
	c.release()
	require.Zero(t, cap(c.decoded), "a monster is given up")
	require.Zero(t, cap(c.encoded))
}

// readAll reads and decompresses a request, and checks that the memory of the
// body is given back.
func readAll(t *testing.T, c *call, req *http.Request) []byte {
	const limit = 16 << 20
	bodies := semaphore.NewWeighted(2 * limit)
	taken, err := c.read(deadlineless{}, req, limit, bodies)
	require.NoError(t, err)
	bodies.Release(taken)
	require.True(t, bodies.TryAcquire(2*limit))
	decoded, err := c.decompress(limit)
	require.NoError(t, err)
	return decoded
}

// deadlineless is a ResponseWriter whose connection takes any deadline.
type deadlineless struct{ http.ResponseWriter }

func (deadlineless) SetReadDeadline(time.Time) error { return nil }

// onPipe serves the run on one connection in memory. Deadlines of pipes follow
// the clock of the synctest bubble that they are made in.
func onPipe(t *testing.T, run Run, opts Options) *rawConn {
	opts.Logger, opts.Registry, opts.Run = promslog.NewNopLogger(), prometheus.NewRegistry(), run
	opts.Writers, opts.ConcurrentWrites = NewWriters(time.Hour, time.Hour), 1
	client, conn := net.Pipe()
	l := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- conn
	srv := &http.Server{Handler: New(opts), ConnContext: opts.Writers.ConnContext, ConnState: opts.Writers.ConnState}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
		require.NoError(t, client.Close())
	})
	c := newRawConn(t, client)
	require.NoError(t, client.SetDeadline(time.Now().Add(24*time.Hour)))
	return c
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// chunked is a body in chunked transfer encoding, all of it one chunk.
func chunked(body []byte) []byte {
	return fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// trickle sends a body in pieces, one a second.
func (c *rawConn) trickle(body []byte, piece int) {
	c.t.Helper()
	for len(body) > 0 {
		n := min(piece, len(body))
		_, err := c.Write(body[:n])
		require.NoError(c.t, err)
		body = body[n:]
		time.Sleep(time.Second) // of the bubble's clock
	}
}

// A sender that stops in the middle of a body does not hold a slot for long,
// and is told to try again.
func TestBodyThatDoesNotArriveIsAskedForAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		announced int
		sent      string
		deadline  time.Duration
	}{
		"nothing arrives": {1000, "", bodyTimeout},
		"too few bytes":   {1000, "abc", bodyTimeout},
		"of a larger one": {4 * slowestBody, "abc", bodyTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := onPipe(t, &fakeRun{}, Options{RequestBytes: 1 << 20})
				start := time.Now()
				conn.send("POST /api/v1/write HTTP/1.1", "Host: test", fmt.Sprint("Content-Length: ", tc.announced))
				_, err := io.WriteString(conn, tc.sent)
				require.NoError(t, err)
				a := conn.answer()
				require.Equal(t, http.StatusServiceUnavailable, a.status)
				require.Contains(t, a.body, "request body did not arrive in full")
				require.Equal(t, tc.deadline, time.Since(start))
			})
		})
	}
}

// A body that takes longer than bodyTimeout passes if it comes at slowestBody.
func TestSlowBodyPasses(t *testing.T) {
	body := padded(t, 20*slowestBody, true)
	for name, header := range map[string]string{
		"with a length":    fmt.Sprint("Content-Length: ", len(body)),
		"without a length": "Transfer-Encoding: chunked",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := onPipe(t, &fakeRun{}, Options{RequestBytes: int64(20 * slowestBody)})
				start := time.Now()
				conn.send("POST /api/v1/write HTTP/1.1", "Host: test", header)
				sent := body
				if strings.HasPrefix(header, "Transfer") {
					sent = chunked(body)
				}
				conn.trickle(sent, slowestBody)
				require.Equal(t, http.StatusNoContent, conn.answer().status)
				require.Greater(t, time.Since(start), bodyTimeout)
			})
		})
	}
}

// The deadline of one write is not that of the next on the same connection,
// whether its body was read or passed over.
func TestConnectionOutlivesTheDeadlineOfABody(t *testing.T) {
	for name, tc := range map[string]struct {
		run    *fakeRun
		status int
	}{
		"accepted": {&fakeRun{}, http.StatusNoContent},
		"slow":     {&fakeRun{slow: 10 * bodyTimeout}, http.StatusNoContent},
		"refused":  {&fakeRun{accepting: blockwriter.ErrNotOpen}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := onPipe(t, tc.run, Options{RequestBytes: 1 << 20})
				body := padded(t, 1000, true)
				for range 3 {
					conn.send("POST /api/v1/write HTTP/1.1", "Host: test", fmt.Sprint("Content-Length: ", len(body)))
					_, err := conn.Write(body)
					require.NoError(t, err)
					require.Equal(t, tc.status, conn.answer().status)
					time.Sleep(10 * bodyTimeout) // of the bubble's clock
				}
			})
		})
	}
}

// A write that is refused by its headers is answered too, though its body does
// not arrive: the server would wait for it to use the connection again.
func TestRefusedWriteIsAnsweredWithoutItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := onPipe(t, &fakeRun{accepting: blockwriter.ErrNotOpen}, Options{RequestBytes: 1 << 20})
		start := time.Now()
		conn.send("POST /api/v1/write HTTP/1.1", "Host: test", "Content-Length: 1000")
		require.Equal(t, http.StatusServiceUnavailable, conn.answer().status)
		require.LessOrEqual(t, time.Since(start), bodyTimeout)
	})
}
