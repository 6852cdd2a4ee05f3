// Package query checks that `benchkeep query` answers as a stock Thanos Query
// over the same bucket does.
package query
