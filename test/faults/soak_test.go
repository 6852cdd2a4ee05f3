package faults

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// atOnce is how many tests run at a time: most of each is waiting for a
// program, so that more of them than processors are of use.
const atOnce = 6

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

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
