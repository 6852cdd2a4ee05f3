// Package e2e proves benchkeep from the outside: real Prometheus servers and
// agents write to it, a real S3 server holds its bucket, stock Thanos and
// promtool read what it left there.
package e2e
