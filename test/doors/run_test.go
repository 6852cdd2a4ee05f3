package doors

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

const mib = 1 << 20

// receive starts a run of the test's own, plain HTTP. The tests' senders close
// their connections before the end: little silence is enough.
func receive(t *testing.T, dir string, b harness.Bucket, run string, args ...string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, harness.ReceiverOptions{
		Bucket: b, Run: run, Args: append(args, "--finish.quiet=100ms"),
	})
}

// one is a series with one sample.
func one(name string, at int64, v float64, more ...string) harness.TimeSeries {
	l := labels.FromStrings(append(more, "__name__", name)...)
	return harness.TimeSeries{Labels: l, Samples: []harness.Sample{{T: at, V: v}}}
}

// terminate ends the run and checks that all of it is archived.
func terminate(t *testing.T, p *harness.Process) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 {
		t.Fatalf("benchkeep exited with code %d, want 0", code)
	}
}

// checkArchived checks that the bucket holds exactly what the senders' receiver
// has acknowledged.
func checkArchived(t *testing.T, dir string, b harness.Bucket, run string, senders ...*harness.Sender) {
	t.Helper()
	want := harness.Set{}
	for _, s := range senders {
		want.AddSet(s.Acknowledged)
	}
	want.Sort()
	external := map[string]string{"run": run}
	if diff := harness.Diff(want.Archived(external), b.Samples(t, dir)); diff != "" {
		t.Errorf("run %s in the bucket: %s", run, brief(diff))
	}
	if m := b.Manifest(t, run); m.State != "archived" || m.Archived != int64(want.Samples()) {
		t.Errorf("manifest: state %q, %d samples archived, want %d", m.State, m.Archived, want.Samples())
	}
}

// brief cuts a message that monstrous labels have made monstrous.
func brief(s string) string {
	return s[:min(len(s), 2<<10)]
}

// A goodSender writes one batch after the other for as long as others attack.
type goodSender struct {
	*harness.Sender
	stop, done chan struct{}
	batches    atomic.Int64
}

// startGood starts a good sender beside whatever follows. It fails the test
// where a batch is not taken for longer than any sender should have to wait.
func startGood(t *testing.T, r *harness.Receiver) *goodSender {
	t.Helper()
	g := &goodSender{
		Sender: harness.NewSender(t, r, harness.RemoteWriteV2),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go g.send(t)
	t.Cleanup(g.end)
	return g
}

func (g *goodSender) send(t *testing.T) {
	defer close(g.done)
	every := time.NewTicker(20 * time.Millisecond) // a sender's pace
	defer every.Stop()
	last := int64(0)
	for {
		at := max(time.Now().UnixMilli(), last+1)
		last = at
		batch := []harness.TimeSeries{one("good", at, float64(last), "i", "0"), one("good", at, -float64(last), "i", "1")}
		if !deliver(t, g.Sender, batch...) {
			return
		}
		g.batches.Add(1)
		select {
		case <-g.stop:
			return
		case <-every.C:
		}
	}
}

// deliver offers a batch until it is taken, as a Prometheus does, and fails
// the test where that takes longer than any sender should have to wait. Other
// goroutines than the test's may call it.
func deliver(t *testing.T, s *harness.Sender, batch ...harness.TimeSeries) bool {
	again := time.NewTicker(30 * time.Millisecond) // Prometheus' shortest pause
	defer again.Stop()
	for deadline := time.Now().Add(harness.Patience); !s.Offer(batch...); <-again.C {
		s.Unknown = nil
		if t.Failed() {
			return false // no news of what is wrong already
		}
		if time.Now().After(deadline) {
			t.Errorf("a good sender's batch was not taken for %s", harness.Patience)
			return false
		}
	}
	return true
}

// wait waits until so many more batches of the sender were taken.
func (g *goodSender) wait(t *testing.T, more int64) {
	t.Helper()
	enough := g.batches.Load() + more
	harness.Until(t, "the good sender's batches to be taken", func() error {
		if n := g.batches.Load(); n < enough && !t.Failed() {
			return fmt.Errorf("%d are to come", enough-n)
		}
		return nil
	})
}

// end lets the sender finish its batch and close its connection.
func (g *goodSender) end() {
	select {
	case <-g.stop:
	default:
		close(g.stop)
	}
	<-g.done
	g.Close()
}

// attacker is a client of its own, with connections that nobody else uses.
func attacker(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 600}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: harness.Patience}
}

// An answer is what came back to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request and reads the answer.
func do(c *http.Client, method, url string, header map[string]string, body io.Reader) (answer, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(text)}, err
}

// checkWords checks that a receiver's words about its clients stay short,
// whatever the clients have sent.
func checkWords(t *testing.T, what, text string) {
	t.Helper()
	const most = 16 << 10
	for line := range strings.Lines(text) {
		if len(line) > most {
			t.Errorf("%s: a line of %d bytes, want at most %d: %s", what, len(line), most, fmt.Sprintf("%.200s…", line))
		}
	}
}
