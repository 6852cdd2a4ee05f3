// Package archive holds the end-to-end tests of `benchkeep runs`: archives made
// by real receivers in a real S3 server, while stock Thanos works on the same
// bucket.
package archive
