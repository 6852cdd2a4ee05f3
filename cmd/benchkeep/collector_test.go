package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCollectorPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live    uint64
		percent int
	}{
		{0, 400}, // nothing has been collected yet
		{1, 400},
		{10 * mib, 400},
		{64 * mib, 400},
		{128 * mib, 200},
		{256 * mib, 100},
		{8 << 30, 100},
	} {
		t.Run(fmt.Sprint(c.live), func(t *testing.T) { require.Equal(t, c.percent, collectorPercent(c.live)) })
	}
}
