package receiver

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
)

const lifecycle = "../docs/lifecycle.md"

// newRouter is the handler as it is served.
func newRouter(t *testing.T) *mux.Router {
	t.Helper()
	h := New(Options{
		Logger: promslog.NewNopLogger(), Registry: prometheus.NewRegistry(), Run: &fakeRun{},
		Writers: NewWriters(time.Hour, time.Hour), RequestBytes: 1 << 20, ConcurrentWrites: 1,
	})
	return h.(*shortcut).Router
}

// TestLifecycleListsTheEndpoints compares the table of endpoints with the
// routes, and the methods it gives with those that the routes say they allow.
func TestLifecycleListsTheEndpoints(t *testing.T) {
	router := newRouter(t)
	served := map[string]string{}
	err := router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, "/debug/pprof/") {
			served["/debug/pprof/"] = http.MethodGet // any would do
			return nil
		}
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, httptest.NewRequest("BREW", path, nil))
		require.Equal(t, http.StatusMethodNotAllowed, answer.Code, path)
		served[path] = strings.TrimSuffix(answer.Header().Get("Allow"), ", "+http.MethodHead) // goes with GET
		return nil
	})
	require.NoError(t, err)

	documented := map[string]string{}
	endpoint := regexp.MustCompile("(?:`([A-Z]+)` or )?`([A-Z]+) (/[^`?]*)`")
	for _, cells := range section(t, "endpoint") {
		for _, m := range endpoint.FindAllStringSubmatch(cells[0], -1) {
			documented[m[3]] = strings.TrimPrefix(m[1]+", "+m[2], ", ")
		}
	}
	require.Equal(t, served, documented)
}

// TestLifecycleListsTheStatuses compares the table of answers with all that
// the error table, success and the router can give.
func TestLifecycleListsTheStatuses(t *testing.T) {
	answered := map[int]string{
		statusOf(nil):                         "goes on",
		statusOf(errors.New("anything else")): "tries again", // what the table does not know
		http.StatusMethodNotAllowed:           "drops the batch",
	}
	for _, s := range statuses {
		answered[s.status] = "drops the batch"
		if s.status >= http.StatusInternalServerError {
			answered[s.status] = "tries again"
		}
	}

	documented := map[int]string{}
	for _, cells := range section(t, "status") {
		for status := range strings.SplitSeq(cells[0], ", ") {
			code, err := strconv.Atoi(status)
			require.NoError(t, err)
			documented[code] = cells[2]
		}
	}
	require.Equal(t, answered, documented)
}

// TestLifecycleListsTheReasons compares the reasons of rejections with those
// that the metrics have, which are all there are.
func TestLifecycleListsTheReasons(t *testing.T) {
	metrics, err := os.ReadFile("testdata/metrics.golden")
	require.NoError(t, err)
	counted := regexp.MustCompile(`(?m)^  label reason: (.*)$`).FindStringSubmatch(string(metrics))
	require.NotNil(t, counted)

	doc, err := os.ReadFile(lifecycle)
	require.NoError(t, err)
	_, list, found := strings.Cut(string(doc), "Why samples are rejected: ")
	require.True(t, found)
	list, _, _ = strings.Cut(list, ".\n")
	list, _, _ = strings.Cut(list, ". Labels")
	reasons := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_0-9]+)`").FindAllStringSubmatch(list, -1) {
		reasons[m[1]] = true
	}
	require.Equal(t, strings.Split(counted[1], ", "), slices.Sorted(maps.Keys(reasons)))
}

// section are the rows below the table heading of the given first cell.
func section(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	within := false
	for _, cells := range tableRows(t, lifecycle) {
		switch cells[0] {
		case heading:
			within = true
		case "endpoint", "status", "it holds":
			within = false
		default:
			if within {
				rows = append(rows, cells)
			}
		}
	}
	require.NotEmpty(t, rows)
	return rows
}
