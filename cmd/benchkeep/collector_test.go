package main

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCollectorPercent(t *testing.T) {
	const mib = 1 << 20
	const none = math.MaxInt64
	for _, c := range []struct {
		live, limit uint64
		percent     int
	}{
		{0, none, 400}, // nothing has been collected yet
		{1, none, 400},
		{10 * mib, none, 400},
		{64 * mib, none, 400},
		{128 * mib, none, 200},
		{256 * mib, none, 100},
		{8 << 30, none, 100},
		{10 * mib, 512 * mib, 400},
		{32 * mib, 512 * mib, 200},
		{64 * mib, 512 * mib, 100},
		{1, 0, 100},
	} {
		t.Run(fmt.Sprint(c.live, " of ", c.limit), func(t *testing.T) { require.Equal(t, c.percent, collectorPercent(c.live, c.limit)) })
	}
}
