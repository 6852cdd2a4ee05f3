package blockwriter

// What a run takes of memory, as BenchmarkMemoryPerSeries measures it, rounded
// up; docs/sizing.md explains the formula.
const (
	// memoryBase is the program, its caches, and ordinary writes under way.
	memoryBase = 96 << 20
	// memoryPerSeries is a series in the head and in the cache, with room for
	// the garbage collector and for cutting it into a block.
	memoryPerSeries = 2560
	// fewestSeries is what is allowed however small the memory is.
	fewestSeries = 10_000
)

// SeriesLimitFor is the number of series that fit a memory limit in bytes, the
// finish included.
func SeriesLimitFor(memory int64) int {
	return int(max((memory-memoryBase)/memoryPerSeries, fewestSeries))
}
