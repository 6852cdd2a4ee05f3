package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
)

// ReceiverOptions say how `benchkeep receive` is started.
type ReceiverOptions struct {
	// Name tells several receivers of one test apart; empty is "benchkeep".
	Name string
	// Bucket is where the run is archived.
	Bucket Bucket
	// Run is the run's id.
	Run string
	// Storage is the storage path; empty is a folder of this receiver's own.
	Storage string
	// Address is where it listens; empty is a free one.
	Address string
	// Args are further flags.
	Args []string
	// Env is the process' environment besides what every program gets.
	Env []string
}

// A Receiver is a running `benchkeep receive`.
type Receiver struct {
	*Process
	Address string
	URL     string
	Storage string

	dir     string
	options ReceiverOptions
}

// StartReceiver starts `benchkeep receive` and waits until it accepts writes.
func StartReceiver(t testing.TB, dir string, o ReceiverOptions) *Receiver {
	t.Helper()
	r := LaunchReceiver(t, dir, o)
	r.WaitReady()
	return r
}

// LaunchReceiver starts `benchkeep receive` and waits for nothing: a receiver
// that finds a fenced run never accepts writes.
func LaunchReceiver(t testing.TB, dir string, o ReceiverOptions) *Receiver {
	t.Helper()
	if o.Name == "" {
		o.Name = "benchkeep"
	}
	if o.Storage == "" {
		o.Storage = filepath.Join(dir, o.Name+"-data")
	}
	if o.Address == "" {
		o.Address = FreeAddress(t)
	}
	args := append([]string{
		"receive",
		"--run.id=" + o.Run,
		"--storage.path=" + o.Storage,
		"--objstore.config-file=" + o.Bucket.ConfigFile,
		"--web.listen-address=" + o.Address,
	}, o.Args...)
	return &Receiver{
		Process: start(t, dir, o.Name, product(t), o.Env, args...),
		Address: o.Address,
		URL:     "http://" + o.Address,
		Storage: o.Storage,
		dir:     dir,
		options: o,
	}
}

// WaitReady waits until the receiver accepts writes.
func (r *Receiver) WaitReady() {
	r.t.Helper()
	r.waitReady(r.URL + "/-/ready")
}

// Again waits for the receiver's end, and launches it once more: the same
// command on the same storage path and address, with the log continued.
func (r *Receiver) Again() *Receiver {
	r.t.Helper()
	r.Wait()
	return LaunchReceiver(r.t, r.dir, r.options)
}

// WaitState waits until the run is in the state.
func (r *Receiver) WaitState(want string) {
	r.t.Helper()
	Until(r.t, "state "+want, func() error {
		if err := r.Running(); err != nil {
			r.t.Fatal(err)
		}
		state, err := r.State()
		if err == nil && state != want {
			err = fmt.Errorf("state is %q", state)
		}
		return err
	})
}

// Finish asks for the finish over HTTP and gives what came back when it was
// done: the answer's status and its summary.
func (r *Receiver) Finish() (int, map[string]any) {
	r.t.Helper()
	status, body, err := request(http.MethodPost, r.URL+"/finish")
	if err != nil {
		r.t.Fatalf("finish: %v", err)
	}
	summary := map[string]any{}
	if err := json.Unmarshal(body, &summary); err != nil {
		r.t.Fatalf("decode summary %q: %v", body, err)
	}
	return status, summary
}

// State is the run's state as the status endpoint tells it.
func (r *Receiver) State() (string, error) {
	var status struct{ State string }
	err := getJSON(r.URL+"/api/v1/status", &status)
	return status.State, err
}

// Metric is the sum of all series of a metric of the receiver's own.
func (r *Receiver) Metric(name string) (float64, error) { return metric(r.URL, name) }

// Benchkeep runs a benchkeep command to its end.
func Benchkeep(t testing.TB, dir, name string, args ...string) *Process {
	t.Helper()
	p := start(t, dir, name, product(t), nil, args...)
	p.Wait()
	return p
}
