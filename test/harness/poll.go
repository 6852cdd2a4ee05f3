package harness

import (
	"testing"
	"time"
)

// Patience is how long a condition may take before a test gives up. It only
// bounds a test that hangs; nothing is asserted about speed.
const Patience = 90 * time.Second

const pollEvery = 50 * time.Millisecond

// Until waits for the condition to return nil, and fails the test with the
// condition's last error when it does not within Patience.
func Until(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", Patience, what, err)
		}
		time.Sleep(pollEvery)
	}
}
