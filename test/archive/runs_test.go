package archive

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A row is what the tests read of a run in the output of list and show.
type row struct {
	Run, State             string
	Complete               bool
	Labels                 map[string]string
	Started                time.Time
	Finished               *time.Time
	Series, Samples, Bytes int64
	Parts, Blocks          int
	MissingBlocks          int
	Notes                  []struct{ Text string }

	// Of show alone.
	StoredBlocks []struct {
		ULID, Source, Status                  string
		Resolution, Samples, MinTime, MaxTime int64
	}
	Metrics []struct {
		Name, Type, Help, Unit string
		Series                 int64
	}
}

// commands runs `benchkeep runs` on a bucket.
type commands struct {
	t      *testing.T
	dir    string
	bucket harness.Bucket
	n      *int
}

func newCommands(t *testing.T, dir string, bucket harness.Bucket) commands {
	return commands{t, dir, bucket, new(int)}
}

// run runs a command to its end, and gives what it printed.
func (c commands) run(wantCode int, args ...string) string {
	c.t.Helper()
	*c.n++
	name := fmt.Sprintf("runs-%02d-%s", *c.n, args[0])
	args = append([]string{"runs", "--objstore.config-file=" + c.bucket.ConfigFile}, args...)
	p := harness.Benchkeep(c.t, c.dir, name, args...)
	_, out, _ := strings.Cut(p.Log(), "\n") // the first line is the command
	if code := p.Wait(); code != wantCode {
		c.t.Fatalf("runs %s: exit code %d, want %d: %s", args, code, wantCode, out)
	}
	return out
}

// list gives the rows of a list by run.
func (c commands) list(args ...string) map[string]row {
	c.t.Helper()
	var rows []row
	c.decode(&rows, append([]string{"list", "-o", "json"}, args...)...)
	byRun := map[string]row{}
	for _, r := range rows {
		byRun[r.Run] = r
	}
	return byRun
}

func (c commands) show(run string) (r row) {
	c.t.Helper()
	c.decode(&r, "show", run, "-o", "json")
	return r
}

func (c commands) decode(v any, args ...string) {
	c.t.Helper()
	out := c.run(0, args...)
	// What it said to people besides follows.
	if err := json.NewDecoder(strings.NewReader(out)).Decode(v); err != nil {
		c.t.Fatalf("output of %s: %v\n%s", args, err, out)
	}
}

// startRun starts a receiver.
func startRun(t *testing.T, dir string, b harness.Bucket, run, name string, args ...string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, harness.ReceiverOptions{
		Name: name, Bucket: b, Run: run, Args: append([]string{"--finish.quiet=1s"}, args...),
	})
}

// send sends samples of n series from a time on, one each step.
func send(s *harness.Sender, n int, from time.Time, length, step time.Duration) {
	for at := time.Duration(0); at < length; at += step {
		var batch []harness.TimeSeries
		for i := range n {
			batch = append(batch, harness.TimeSeries{
				Labels:  labels.FromStrings("__name__", "work_total", "i", fmt.Sprint(i)),
				Samples: []harness.Sample{{T: from.Add(at).UnixMilli(), V: at.Seconds()}},
			})
		}
		s.Send(batch...)
	}
}

// archived archives a run of n series, and gives how many samples it has.
func archived(t *testing.T, dir string, b harness.Bucket, run, name string, n int, from time.Time, length, step time.Duration, args ...string) int64 {
	t.Helper()
	r := startRun(t, dir, b, run, name, args...)
	s := harness.NewSender(t, r, harness.RemoteWriteV1)
	send(s, n, from, length, step)
	s.Close()
	r.Signal(syscall.SIGTERM)
	if code := r.Wait(); code != 0 {
		t.Fatalf("benchkeep exited with code %d", code)
	}
	return int64(s.Acknowledged.Samples())
}
