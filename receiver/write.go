package receiver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// The headers in which a 2.0 answer says what was stored. Without them a 2.0
// sender takes the batch for lost.
//
// Source: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#required-written-response-headers.
const (
	samplesWritten    = "X-Prometheus-Remote-Write-Samples-Written"
	histogramsWritten = "X-Prometheus-Remote-Write-Histograms-Written"
	exemplarsWritten  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

// write is the remote-write endpoint.
func (h *handler) write(w http.ResponseWriter, req *http.Request) {
	h.opts.Writers.begin(req)
	defer h.opts.Writers.end()
	start := time.Now()
	v, err := versionOf(req.Header)
	if err == nil {
		err = h.opts.Run.Accepting() // or the body need not be read
	}
	if deadlineErr := limitBodyTime(w, start, 0); err == nil {
		err = deadlineErr
	}
	var res blockwriter.Result
	if err == nil {
		res, err = h.store(w, req, v)
	}
	if v == version2 {
		w.Header().Set(samplesWritten, strconv.Itoa(res.Samples))
		w.Header().Set(histogramsWritten, strconv.Itoa(res.Histograms))
		w.Header().Set(exemplarsWritten, "0") // blocks cannot hold them
	}
	h.metrics.writeSeconds.Observe(time.Since(start).Seconds())
	status := statusOf(err)
	if err == nil {
		h.metrics.stored[v].Inc()
		w.WriteHeader(status)
		return
	}
	h.metrics.writes.WithLabelValues(string(v), strconv.Itoa(status)).Inc()
	h.logRefusal(req, status, err)
	http.Error(w, err.Error(), status)
}

// store reads, decodes and appends one request.
//
// Reading takes as long as the sender likes, so that any number of bodies may
// be on their way, as long as what has arrived of them keeps within its share
// of memory. From there on it is this process' own work: few requests may wait
// for it, and as many as there are processors have it done at a time.
func (h *handler) store(w http.ResponseWriter, req *http.Request, v version) (blockwriter.Result, error) {
	c := h.calls.Get().(*call)
	defer func() {
		c.release()
		h.calls.Put(c)
	}()
	taken, err := c.read(w, req, h.opts.RequestBytes, h.bodies)
	defer h.bodies.Release(taken)
	if err != nil {
		return blockwriter.Result{}, err
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return blockwriter.Result{}, errOverloaded
	}
	h.turns <- struct{}{}
	defer func() { <-h.turns }()
	if err := c.decode(v, h.opts.RequestBytes); err != nil {
		return blockwriter.Result{}, err
	}
	c.Sender = req.UserAgent()
	res, err := h.opts.Run.Append(&c.Batch)
	if err == nil && res.Rejected.Count > 0 {
		err = fmt.Errorf("%w: %s", errRejected, res.Rejected)
	}
	return res, err
}

// decode decompresses and decodes what was read.
func (c *call) decode(v version, limit int64) error {
	body, err := c.decompress(limit)
	if err != nil {
		return err
	}
	if v == version2 {
		err = c.decodeV2(body)
	} else {
		err = c.decodeV1(body)
	}
	if c.tooLarge() {
		return fmt.Errorf("%w: it decodes to more than %d bytes", errTooLarge, c.maxSize)
	}
	return err
}

// logRefusal logs an answer that is not 204, at most one in a second and
// status: a broken sender repeats itself.
func (h *handler) logRefusal(req *http.Request, status int, err error) {
	if h.refusals.allow(status, time.Now()) {
		h.opts.Logger.Warn("write refused", "status", status, "sender", req.UserAgent(), "remote", req.RemoteAddr, "err", err)
	}
}
