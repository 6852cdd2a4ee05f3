package harness

import (
	"encoding/json"
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
	// Args are further flags.
	Args []string
}

// A Receiver is a running `benchkeep receive`.
type Receiver struct {
	*Process
	Address string
	URL     string
	Storage string
}

// StartReceiver starts `benchkeep receive` and waits until it accepts writes.
func StartReceiver(t testing.TB, dir string, o ReceiverOptions) *Receiver {
	t.Helper()
	if o.Name == "" {
		o.Name = "benchkeep"
	}
	if o.Storage == "" {
		o.Storage = filepath.Join(dir, o.Name+"-data")
	}
	address := FreeAddress(t)
	args := append([]string{
		"receive",
		"--run.id=" + o.Run,
		"--storage.path=" + o.Storage,
		"--objstore.config-file=" + o.Bucket.ConfigFile,
		"--web.listen-address=" + address,
	}, o.Args...)
	r := &Receiver{
		Process: start(t, dir, o.Name, product(t), nil, args...),
		Address: address,
		URL:     "http://" + address,
		Storage: o.Storage,
	}
	r.waitReady(r.URL + "/-/ready")
	return r
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

// Benchkeep runs a benchkeep command to its end.
func Benchkeep(t testing.TB, dir, name string, args ...string) *Process {
	t.Helper()
	p := start(t, dir, name, product(t), nil, args...)
	p.Wait()
	return p
}
