package receiver

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang/snappy"
)

const (
	// A body gets bodyTimeout, and more for what is large: at slowestBody
	// bytes/s a legitimate request still passes, while a sender that trickles
	// bytes to hold a slot does not.
	bodyTimeout = 15 * time.Second
	slowestBody = 64 << 10
)

// A call is the memory of one write: what was read, what it decompressed to,
// and what that decoded to. It is used again.
type call struct {
	request
	encoded bytes.Buffer
	decoded []byte
}

// limitBodyTime sets when the body has to be there, whether it is read or the
// server only passes over it before an answer. The most that a body can have
// is in bytes.
func limitBodyTime(w http.ResponseWriter, req *http.Request, most int64) error {
	size := min(req.ContentLength, most)
	if size < 0 {
		size = most // not known: as much time as the largest would get
	}
	deadline := time.Now().Add(bodyTimeout + time.Duration(size/slowestBody)*time.Second)
	if err := http.NewResponseController(w).SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("set read deadline: %w", err)
	}
	return nil
}

// read takes the request's body in and decompresses it. Both sizes are bounded
// by limit, in bytes; the decompressed one is known before it is allocated.
func (c *call) read(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, error) {
	most := maxEncoded(limit)
	if req.ContentLength > most {
		return nil, fmt.Errorf("%w: body has %d bytes", errTooLarge, req.ContentLength)
	}
	c.encoded.Reset()
	_, err := c.encoded.ReadFrom(http.MaxBytesReader(w, req.Body, most))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("%w: body has more than %d bytes", errTooLarge, most)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	// The server goes on to listen for the next request: that is not to be cut
	// short by this one's deadline.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("reset read deadline: %w", err)
	}
	return c.decompress(limit)
}

// maxEncoded is the most bytes that snappy makes of a request within the limit.
func maxEncoded(limit int64) int64 { return int64(snappy.MaxEncodedLen(int(limit))) }

func (c *call) decompress(limit int64) ([]byte, error) {
	n, err := snappy.DecodedLen(c.encoded.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errMalformed, err)
	}
	if int64(n) > limit {
		return nil, fmt.Errorf("%w: %d bytes decompressed", errTooLarge, n)
	}
	if cap(c.decoded) < n {
		c.decoded = make([]byte, n)
	}
	decoded, err := snappy.Decode(c.decoded[:cap(c.decoded)], c.encoded.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errMalformed, err)
	}
	return decoded, nil
}

// release gives up what the call points at, and memory that is too large to
// keep for the next.
func (c *call) release() {
	c.reset()
	if c.encoded.Cap() > maxKeptBytes {
		c.encoded = bytes.Buffer{}
	}
	if cap(c.decoded) > maxKeptBytes {
		c.decoded = nil
	}
}
