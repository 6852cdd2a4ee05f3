package receiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThrottleLetsOneEventASecondAndKindThrough(t *testing.T) {
	var th throttle
	now := time.Unix(1_735_689_600, 0)
	require.True(t, th.allow(400, now))
	require.False(t, th.allow(400, now))
	require.False(t, th.allow(400, now.Add(time.Second-1)))
	require.True(t, th.allow(503, now), "kinds do not share")
	require.True(t, th.allow(400, now.Add(time.Second)))
	require.False(t, th.allow(400, now.Add(2*time.Second-1)), "a second after the last that was let through")
	require.True(t, th.allow(400, now.Add(2*time.Second)))
	require.False(t, th.allow(503, now.Add(time.Second-1)), "what was held back does not count")
	require.True(t, th.allow(503, now.Add(time.Second)))
}
