package archive

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStartOfARun(t *testing.T) {
	began := start.UnixMilli()
	part := func(mint, maxt int64) *Part { return &Part{Started: start, MinTime: mint, MaxTime: maxt} }
	for name, c := range map[string]struct {
		run  Run
		want int64
	}{
		"samples follow":          {Run{Parts: []*Part{part(began+5000, began+hour)}}, began + 5000},
		"samples from before":     {Run{Parts: []*Part{part(began-hour, began+hour)}}, began},
		"samples of another time": {Run{Parts: []*Part{part(began-2*hour, began-hour)}}, began - 2*hour},
		"no samples":              {Run{Parts: []*Part{part(0, 0)}}, began},
		"a second part":           {Run{Parts: []*Part{part(began+hour, began+2*hour), part(began+9000, began+hour)}}, began + 9000},
		"blocks alone":            {Run{Blocks: []*StoredBlock{{MinTime: began + 7, MaxTime: began + hour}}}, began + 7},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, time.UnixMilli(c.want), time.UnixMilli(c.run.Start())) })
	}
}
