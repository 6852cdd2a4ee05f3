package harness

import "fmt"

// WaitCaughtUp waits until remote write has read everything from Prometheus'
// WAL that was scraped before. After a time in which the receiver asked to try
// again it may be far behind, and what it has not read when Prometheus is told
// to end, it never sends: see WaitCalm.
func (p *Prometheus) WaitCaughtUp() {
	p.t.Helper()
	scraped, err := p.ownMetric("prometheus_remote_storage_highest_timestamp_in_seconds")
	if err != nil {
		p.t.Fatal(err)
	}
	Until(p.t, "remote write to catch up", func() error {
		// Queued in order of the WAL: then all that came before is read, too.
		queued, err := p.ownMetric("prometheus_remote_storage_queue_highest_timestamp_seconds")
		if err == nil && (queued == 0 || queued < scraped) {
			err = fmt.Errorf("samples are queued up to %.0f s, scraped up to %.0f s", queued, scraped)
		}
		return err
	})
}
