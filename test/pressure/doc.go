// Package pressure proves that benchkeep holds out: runs of a day, more writes
// than it can serve, more series than its memory has room for. Whatever the
// pressure, memory stays bounded, what was acknowledged is archived exactly
// once, and what was refused is refused in a way that the sender can live with.
//
// It looks at the process from outside. Speed is nowhere asserted: a slow
// machine takes longer, and that is all.
//
// SOAK in the environment, as `make soak` sets it, selects sizes of real life;
// without it they are such that the package takes a minute or two.
package pressure
