// Package harness starts and ends real programs for the end-to-end tests:
// benchkeep itself, Prometheus as server and as agent, Thanos, an S3 server,
// and two things of its own, a scrape target that remembers what it served and
// a remote-write sender that remembers what was acknowledged.
//
// It looks at the product from outside only: it imports none of its packages.
// Every program gets a folder of its own below the test's folder, which stays
// when the test fails, and is ended with the test; no other process is touched.
// Nothing here sleeps where it can wait for a condition.
package harness
