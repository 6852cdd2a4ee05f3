package receiver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// status answers how the run is.
func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	h.answerStatus(w, http.StatusOK)
}

func (h *handler) answerStatus(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(h.opts.Run.Status()); err != nil {
		h.opts.Logger.Debug("status was not read to the end", "err", err)
	}
}

// finish ends the run and answers when that is done, or, with wait=false, at
// once. The client may go away meanwhile: the finish goes on.
func (h *handler) finish(w http.ResponseWriter, req *http.Request) {
	wait := req.URL.Query().Get("wait")
	switch wait {
	case "", "true":
	case "false":
		go h.opts.Run.Finish(context.WithoutCancel(req.Context()), blockwriter.TriggerHTTP) //nolint:errcheck // the status tells how it ended
		h.answerStatus(w, http.StatusAccepted)
		return
	default:
		http.Error(w, fmt.Sprintf("wait=%q: want true or false", wait), http.StatusBadRequest)
		return
	}
	err := h.opts.Run.Finish(req.Context(), blockwriter.TriggerHTTP)
	switch {
	case req.Context().Err() != nil: // nobody is there to read an answer
	case err != nil:
		h.answerStatus(w, http.StatusInternalServerError)
	default:
		h.answerStatus(w, http.StatusOK)
	}
}

// healthy answers that the process serves.
func (h *handler) healthy(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "benchkeep is healthy")
}

// ready answers whether writes are accepted.
func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	switch s := h.opts.Run.Status().State; s {
	case blockwriter.StateOpen, blockwriter.StateDraining:
		fmt.Fprintln(w, "benchkeep accepts writes")
	default:
		http.Error(w, fmt.Sprintf("benchkeep accepts no writes: the run is %s", s), http.StatusServiceUnavailable)
	}
}
