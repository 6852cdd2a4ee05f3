package receiver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/golang/snappy"
	"golang.org/x/sync/semaphore"
)

const (
	// A body gets bodyTimeout, and more for each byte that has arrived: at
	// slowestBody bytes/s a legitimate request still passes, while a sender
	// that trickles bytes does not.
	bodyTimeout = 15 * time.Second
	slowestBody = 64 << 10

	// bodyPart is how much of a body is read, and counted as memory, at a time.
	bodyPart = 64 << 10
)

// A call is the memory of one write: what was read, what it decompressed to,
// and what that decoded to. It is used again.
type call struct {
	request
	encoded []byte
	decoded []byte
}

// limitBodyTime sets until when the next part of the body has to be there, of
// which a number of bytes has arrived since start. Outside of reading it holds
// for the server, which passes over a body before it sends an answer.
func limitBodyTime(w http.ResponseWriter, start time.Time, arrived int) error {
	deadline := start.Add(bodyTimeout + time.Duration(arrived/slowestBody)*time.Second)
	if err := http.NewResponseController(w).SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("set read deadline: %w", err)
	}
	return nil
}

// read takes the request's body in. Its size is bounded by limit, in bytes
// after decompression. The memory of what has arrived is taken from the share
// of all bodies, and is to be released there by the caller, whatever the error:
// a body that only announces bytes takes none.
func (c *call) read(w http.ResponseWriter, req *http.Request, limit int64, bodies *semaphore.Weighted) (taken int64, err error) {
	most := maxEncoded(limit)
	if req.ContentLength > most {
		return 0, fmt.Errorf("%w: body has %d bytes", errTooLarge, req.ContentLength)
	}
	c.encoded = c.encoded[:0]
	for start := time.Now(); ; {
		if err := limitBodyTime(w, start, len(c.encoded)); err != nil {
			return taken, err
		}
		n, err := c.readPart(req.Body)
		if !bodies.TryAcquire(int64(n)) {
			return taken, errOverloaded
		}
		taken += int64(n)
		switch {
		case taken > most:
			return taken, fmt.Errorf("%w: body has more than %d bytes", errTooLarge, most)
		case errors.Is(err, io.EOF):
			// The server goes on to listen for the next request: that is not to
			// be cut short by this one's deadline.
			return taken, http.NewResponseController(w).SetReadDeadline(time.Time{})
		case err != nil:
			return taken, fmt.Errorf("%w: %w", errBody, err)
		}
	}
}

// readPart reads what comes next straight to its place, as an io.Reader does.
func (c *call) readPart(body io.Reader) (int, error) {
	c.encoded = slices.Grow(c.encoded, bodyPart)
	at := len(c.encoded)
	n, err := body.Read(c.encoded[at : at+bodyPart])
	c.encoded = c.encoded[:at+n]
	return n, err
}

// maxEncoded is the most bytes that snappy makes of a request within the limit.
func maxEncoded(limit int64) int64 { return int64(snappy.MaxEncodedLen(int(limit))) }

// decompress gives the message that was read. Its size is known, and checked,
// before it is allocated.
func (c *call) decompress(limit int64) ([]byte, error) {
	n, err := snappy.DecodedLen(c.encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errMalformed, err)
	}
	if int64(n) > limit {
		return nil, fmt.Errorf("%w: %d bytes decompressed", errTooLarge, n)
	}
	if cap(c.decoded) < n {
		c.decoded = make([]byte, n)
	}
	decoded, err := snappy.Decode(c.decoded[:cap(c.decoded)], c.encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errMalformed, err)
	}
	return decoded, nil
}

// release gives up what the call points at, and memory that is too large to
// keep for the next.
func (c *call) release() {
	c.reset()
	if cap(c.encoded) > maxKeptBytes {
		c.encoded = nil
	}
	if cap(c.decoded) > maxKeptBytes {
		c.decoded = nil
	}
}
