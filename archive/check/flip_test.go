package check_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

// TestEveryFlippedByteIsFound flips each byte of a small block. Its hash tells
// always. Where a forger has put the new hash into meta.json and manifest, the
// checksums inside tell of all but the zeros that fill up between entries.
func TestEveryFlippedByteIsFound(t *testing.T) {
	w := newWorld(t)
	r := w.start()
	times := every(minute, base, base+5*minute)
	write(t, r, sent{metric: "up", times: times}, sent{metric: "requests", times: times}, sent{metric: "latency", times: times, histogram: true})
	w.finish(r)
	block := w.blocks()[0]
	for _, rel := range []string{"chunks/000001", "index"} {
		t.Run(rel, func(t *testing.T) {
			object := archive.BlockObject(block, rel)
			data := w.read(object)
			honest, forged := w.clone(t), w.clone(t)
			for at := range data {
				flipped := slices.Clone(data)
				flipped[at] ^= 0xff
				honest.put(object, flipped)
				require.Contains(t, kinds(honest.check()), check.ObjectHash, "byte %d", at)
				forged.put(object, flipped)
				forged.cover(block)
				found := kinds(forged.check())
				require.NotContains(t, found, check.ObjectHash)
				if data[at] != 0 {
					require.NotEmpty(t, found, "byte %d of %d", at, len(data))
				}
			}
		})
	}
}
