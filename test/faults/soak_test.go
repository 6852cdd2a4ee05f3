package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// soaking tells whether the long variant of the tests is asked for.
func soaking() bool { return os.Getenv("SOAK") != "" }

// rounds is how often something is repeated: SOAK times, or else as given.
func rounds(t *testing.T, quick int) int {
	t.Helper()
	if !soaking() {
		return quick
	}
	n, err := strconv.Atoi(os.Getenv("SOAK"))
	if err != nil || n < 1 {
		t.Fatalf("SOAK=%s: want a number of rounds", os.Getenv("SOAK"))
	}
	return max(n, quick)
}

// random gives random numbers. A failed test tells the seed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed of the test: %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
