// Command benchmark stands in for a benchmark in the tests: it serves metrics
// that move on with every scrape, says which scrapes it served, and ends when it
// has been scraped often enough, or is told to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "where metrics are served")
	scrapes := flag.Int("scrapes", 0, "end after so many scrapes; 0: not before SIGTERM")
	code := flag.Int("exit", 0, "exit code after the scrapes")
	workers := flag.Int("workers", 50, "series of the counter")
	flag.Parse()

	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	enough, done := context.WithCancel(told)
	defer done()

	served := 0
	mux := http.NewServeMux()
	// One Prometheus scrapes, one scrape at a time.
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if _, err := w.Write([]byte(exposition(served+1, *workers))); err != nil {
			log.Printf("serve metrics: %v", err)
			return
		}
		served++
		fmt.Println("served", served)
		if served == *scrapes {
			done()
		}
	})
	server := &http.Server{Addr: *address, Handler: mux}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-enough.Done()
	// The answer to the last scrape has to reach Prometheus.
	if err := server.Shutdown(context.Background()); err != nil {
		log.Printf("end server: %v", err)
	}
	if told.Err() != nil {
		os.Exit(128 + int(syscall.SIGTERM))
	}
	os.Exit(*code)
}

// exposition is what the n-th scrape sees, from 1.
func exposition(n, workers int) string {
	var b strings.Builder
	b.WriteString("# TYPE benchmark_scrapes_total counter\n")
	fmt.Fprintf(&b, "benchmark_scrapes_total %d\n", n)
	b.WriteString("# TYPE benchmark_requests_total counter\n")
	for i := range workers {
		fmt.Fprintf(&b, "benchmark_requests_total{worker=\"%d\"} %d\n", i, n*i)
	}
	return b.String()
}
