package headcut

import (
	"encoding/json"

	"crypto/rand"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	metaName    = "meta.json"
	metaVersion = 1
)

// newMeta describes a block that is yet to be written.
func newMeta(mint, maxt int64, base *tsdb.BlockMeta) *tsdb.BlockMeta {
	id := ulid.MustNew(ulid.Now(), rand.Reader)
	meta := &tsdb.BlockMeta{Version: metaVersion, ULID: id, MinTime: mint, MaxTime: maxt}
	meta.Compaction.Level = 1
	meta.Compaction.Sources = []ulid.ULID{id}
	if base == nil {
		return meta
	}
	meta.Compaction.Parents = []tsdb.BlockDesc{{ULID: base.ULID, MinTime: base.MinTime, MaxTime: base.MaxTime}}
	if base.Compaction.FromOutOfOrder() {
		meta.Compaction.SetOutOfOrder()
	}
	if base.Compaction.FromStaleSeries() {
		meta.Compaction.SetStaleSeries()
	}
	if base.Compaction.FromSelectedSeries() {
		meta.Compaction.SetSelectedSeries()
	}
	return meta
}

func (c *cut) writeMeta() error {
	data, err := json.MarshalIndent(c.meta, "", "\t")
	if err != nil {
		return err
	}
	f, err := c.newFile(metaName)
	if err != nil {
		return err
	}
	defer f.giveUp()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.finish()
}
