package receiver

import (
	"errors"
	"net/http"

	"github.com/benchkeep/benchkeep/blockwriter"
)

var (
	errContentType = errors.New("content type is not remote write's: want application/x-protobuf, " +
		"with proto=prometheus.WriteRequest (1.0) or proto=io.prometheus.write.v2.Request (2.0) if any parameter")
	errEncoding   = errors.New("content encoding is not snappy (the block format)")
	errTooLarge   = errors.New("request is larger than --limit.request-bytes allows; let the sender put fewer samples in one (max_samples_per_send)")
	errBody       = errors.New("request body did not arrive in full")
	errOverloaded = errors.New("more writes are under way than --limit.concurrent-writes, or memory for their bodies, allows")
	errRejected   = errors.New("samples rejected")
)

// statuses maps errors to HTTP statuses; nothing else does. Remote-write
// senders drop a batch on 4xx and send it again on 5xx.
//
// Source: the Remote-Write 1.0 and 2.0 specifications, on retries.
var statuses = []struct {
	err    error
	status int
}{
	{errRejected, http.StatusBadRequest},
	{errMalformed, http.StatusBadRequest},
	{blockwriter.ErrMalformed, http.StatusBadRequest},
	{errContentType, http.StatusUnsupportedMediaType},
	{errEncoding, http.StatusUnsupportedMediaType},
	{errTooLarge, http.StatusRequestEntityTooLarge},
	{blockwriter.ErrFinished, http.StatusGone},
	{blockwriter.ErrNotOpen, http.StatusServiceUnavailable},
	{blockwriter.ErrBehind, http.StatusServiceUnavailable},
	{blockwriter.ErrStorage, http.StatusServiceUnavailable},
	{errOverloaded, http.StatusServiceUnavailable},
	// The sender may have been too slow for the deadline: the next attempt may
	// get through, so this must not read as the batch's own fault.
	{errBody, http.StatusServiceUnavailable},
}

// statusOf gives the status of an answer. What is in no row is benchkeep's own
// fault, and worth another try.
func statusOf(err error) int {
	if err == nil {
		return http.StatusNoContent
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}
