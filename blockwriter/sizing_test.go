package blockwriter

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeriesLimitFor(t *testing.T) {
	require.Equal(t, 170_393, SeriesLimitFor(512<<20))
	require.Equal(t, fewestSeries, SeriesLimitFor(64<<20))
}
