package compare

import (
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	requestsPerSecond = 400
	queueTick         = 10 * time.Millisecond
)

// A service is what is benchmarked. Requests come at a fixed rate, whatever it
// does with them; how long each takes is drawn from a distribution that is the
// same for all builds, but for a factor.
type service struct {
	Address string

	slower   float64
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration prometheus.Histogram // classic
	lookup   prometheus.Histogram // native
	size     prometheus.Histogram // native
	queue    prometheus.Gauge
	cache    prometheus.Gauge

	mu      sync.Mutex
	random  *rand.Rand
	last    time.Time
	scrapes int
	waiting float64 // what the queue is off its mean
}

// startService serves a build's metrics until the test ends.
func startService(t *testing.T, seed uint64, slower float64) *service {
	t.Helper()
	s := &service{
		slower:   slower,
		registry: prometheus.NewRegistry(),
		random:   rand.New(rand.NewPCG(seed, 1)),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "service_requests_total", Help: "Requests answered."}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "service_request_duration_seconds", Help: "Time to answer a request.", Unit: "seconds",
			Buckets: prometheus.ExponentialBuckets(0.002, 1.15, 30),
		}),
		lookup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "service_lookup_duration_seconds", Help: "Time in the index.", NativeHistogramBucketFactor: 1.1,
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "service_response_size_bytes", Help: "Size of answers.", NativeHistogramBucketFactor: 1.1,
		}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{Name: "service_queue_length", Help: "Requests that wait."}),
		cache: prometheus.NewGauge(prometheus.GaugeOpts{Name: "service_cache_bytes", Help: "Size of the cache."}),
	}
	s.registry.MustRegister(s.requests, s.duration, s.lookup, s.size, s.queue, s.cache)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s.Address = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.GathererFunc(s.scrape), promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return s
}

// scrape does what came in since the last scrape.
func (s *service) scrape() ([]*dto.MetricFamily, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.scrapes > 0 {
		s.work(now.Sub(s.last))
	}
	s.last = now
	s.scrapes++
	return s.registry.Gather()
}

func (s *service) work(elapsed time.Duration) {
	for range s.poisson(requestsPerSecond * elapsed.Seconds()) {
		code := "200"
		if s.random.Float64() < 0.02 {
			code = "500"
		}
		s.requests.WithLabelValues(code).Inc()
		s.duration.Observe(s.slower * s.lognormal(0.020, 0.4))
		s.lookup.Observe(s.slower * s.lognormal(0.005, 0.3))
		s.size.Observe(s.lognormal(20_000, 0.5))
	}
	// What waits now has to do with what waited a moment ago.
	for range int(elapsed / queueTick) {
		s.waiting = 0.95*s.waiting + s.random.NormFloat64()
	}
	s.queue.Set(math.Max(0, 40+s.waiting))
	s.cache.Set(64<<20 + 1<<20*s.random.NormFloat64())
}

// lognormal draws from a distribution with the given median.
func (s *service) lognormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*s.random.NormFloat64())
}

// poisson draws how many events there are where mean of them are expected.
func (s *service) poisson(mean float64) (n int) {
	for at := s.random.ExpFloat64(); at < mean; at += s.random.ExpFloat64() {
		n++
	}
	return n
}

// waitScrapes waits until the service was scraped n times.
func (s *service) waitScrapes(t *testing.T, n int) {
	t.Helper()
	harness.Until(t, "the service to be scraped", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.scrapes < n {
			return errSoFar(s.scrapes)
		}
		return nil
	})
}
