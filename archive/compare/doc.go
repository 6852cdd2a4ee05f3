// Package compare finds what changed between runs.
//
// A subject is something that has a value at a time: a query of the user's, or
// what is to be known of a metric by its type. It is evaluated over each run at
// equal steps from t=0, which is the run's start or a marker in it. What two
// sides then have in common is a row.
//
// # Which values are compared
//
// The values of one run follow one another and depend on each other; and two
// runs of one build differ by more than the values within each would suggest.
// Therefore, where there are enough runs, each counts once, by the mean of its
// values: by the rank-sum test or, where the ranks of so few runs could not be
// unlikely enough, Welch's; and for one run against several, by Crawford and
// Howell's. Of one against fewer, what can be told is whether these very runs
// differ: the values of each are grouped until the means of the groups are as good
// as independent, and those are compared; the report says so. Where the groups
// would be too few, the row is undecided. See [stats] for methods and sources.
//
// # Many rows
//
// Of hundred metrics that are all equal, five would differ at the usual level.
// Where nobody has named what to compare, probabilities are adjusted for the
// number of rows. And a difference that is real may still not matter: a change
// below a threshold counts as none.
package compare
