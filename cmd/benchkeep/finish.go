package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// pollInterval is how often the receiver is asked how far it is.
const pollInterval = 250 * time.Millisecond

func addFinish(app *kingpin.Application) func() int {
	cmd := app.Command("finish", "Ask a running receiver to finish, show how far it is, and exit as the run does: 0 archived, 2 not.")
	address := cmd.Flag("url", "URL of the receiver; user and password may be in it.").Default("http://127.0.0.1:19291").String()
	return func() int { return finish(*address) }
}

// finish asks for the finish, and shows the receiver's progress until the
// answer is there.
func finish(address string) int {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || !strings.HasPrefix(base.Scheme, "http") {
		return badUsage(errors.New("--url: want a URL such as http://127.0.0.1:19291")) // it may hold a password
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	type answer struct {
		status blockwriter.Status
		code   int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		var a answer
		a.code, a.err = call(ctx, http.MethodPost, base.JoinPath("finish"), &a.status)
		answered <- a
	}()

	view := newProgressView(os.Stdout)
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		select {
		case a := <-answered:
			view.end()
			return report(base, a.status, a.code, a.err)
		case <-poll.C:
			var s blockwriter.Status
			if _, err := call(ctx, http.MethodGet, base.JoinPath("api/v1/status"), &s); err == nil {
				view.show(s)
			}
		}
	}
}

// report prints how the finish ended and gives the exit code.
func report(base *url.URL, s blockwriter.Status, code int, err error) int {
	switch {
	case err != nil:
		return badUsage(fmt.Errorf("--url=%s: %w", redacted(base), err))
	case code == http.StatusOK:
		fmt.Printf("run %s is archived: %d samples of %d series in %d blocks of %s\n", s.Run, s.Archived, s.Series, len(s.Blocks), s.Bucket)
		return exitOK
	case code == http.StatusInternalServerError && s.Run != "":
		fmt.Fprintf(os.Stderr, "benchkeep: run %s is not archived, its data is kept by the receiver: %s\n", s.Run, s.Error)
		return exitNotSafe
	default:
		return badUsage(fmt.Errorf("--url=%s answered %d: is it a benchkeep receiver, and are user and password right?", redacted(base), code))
	}
}

// call does a request and decodes a JSON answer.
func call(ctx context.Context, method string, u *url.URL, into any) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		_, err := io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(into)
}

func redacted(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Redacted()
}
