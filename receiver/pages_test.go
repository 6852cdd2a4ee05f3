package receiver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestMethodsThatAreNotAllowed(t *testing.T) {
	s := serve(t, startRun(t), Options{})
	for path, tc := range map[string]struct {
		allowed string
		others  []string
	}{
		"/api/v1/write":   {"POST", []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}},
		"/api/v1/receive": {"POST", []string{http.MethodGet, http.MethodPut}},
		"/finish":         {"POST, PUT", []string{http.MethodGet, http.MethodHead, http.MethodDelete}},
		"/api/v1/status":  {"GET, HEAD", []string{http.MethodPost}},
		"/-/ready":        {"GET, HEAD", []string{http.MethodPost}},
		"/metrics":        {"GET, HEAD", []string{http.MethodPost}},
	} {
		for _, method := range tc.others {
			t.Run(method+" "+path, func(t *testing.T) {
				a := s.do(method, path, nil)
				require.Equal(t, http.StatusMethodNotAllowed, a.status)
				require.Equal(t, blockwriter.StateOpen, s.status().State)
				require.Equal(t, tc.allowed, a.header.Get("Allow"))
			})
		}
	}
}

func TestUnknownPath(t *testing.T) {
	s := serve(t, &fakeRun{}, Options{})
	for _, path := range []string{"/api/v1/query", "/write", "/finish/", "/-/quit"} {
		require.Equal(t, http.StatusNotFound, s.get(path).status, path)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	for state, ready := range map[blockwriter.State]int{
		blockwriter.StateStarting:  http.StatusServiceUnavailable,
		blockwriter.StateOpen:      http.StatusOK,
		blockwriter.StateDraining:  http.StatusOK,
		blockwriter.StateFenced:    http.StatusServiceUnavailable,
		blockwriter.StateCutting:   http.StatusServiceUnavailable,
		blockwriter.StateUploading: http.StatusServiceUnavailable,
		blockwriter.StateArchived:  http.StatusServiceUnavailable,
		blockwriter.StateFailed:    http.StatusServiceUnavailable,
	} {
		t.Run(string(state), func(t *testing.T) {
			s := serve(t, &fakeRun{state: state}, Options{})
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				require.Equal(t, http.StatusOK, s.do(method, "/-/healthy", nil).status, "the process serves in any state")
				require.Equal(t, ready, s.do(method, "/-/ready", nil).status)
			}
			if ready != http.StatusOK {
				require.Contains(t, s.get("/-/ready").body, "the run is "+string(state))
			}
		})
	}
}

// keyPaths lists the keys of a JSON value, those within joined by dots.
func keyPaths(prefix string, v any) (paths []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			paths = append(paths, prefix+k)
			paths = append(paths, keyPaths(prefix+k+".", inner)...)
		}
	case []any:
		for _, inner := range v {
			paths = append(paths, keyPaths(prefix, inner)...)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// TestStatusFields spells out the names: scripts in people's pipelines read them.
func TestStatusFields(t *testing.T) {
	s := serve(t, startRun(t, func(o *blockwriter.Options) { o.Labels = map[string]string{"branch": "main"} }), Options{})
	always := []string{
		"run", "part", "labels", "labels.run", "labels.branch", "state", "complete", "started", "minTime", "maxTime", "series",
		"received", "written", "startTimestamps", "duplicates", "rejected", "archived", "estimatedFinishSeconds", "exemplarsDropped",
		"head", "head.series", "head.minTime", "head.maxTime", "blocks",
		"upload", "upload.blocks", "upload.blocksDone", "upload.bytes", "upload.bytesDone", "bucket", "manifest",
	}
	slices.Sort(always)
	fields := func(a answer) []string {
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		var status map[string]any
		require.NoError(t, json.Unmarshal([]byte(a.body), &status))
		return keyPaths("", status)
	}
	require.Equal(t, always, fields(s.get("/api/v1/status")))

	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1, 2))).status)
	st := s.status()
	require.Equal(t, blockwriter.HeadStatus{Series: 1, MinTime: t0, MaxTime: t0 + 1000}, st.Head)
	require.Empty(t, st.Blocks)

	finished := append(slices.Clone(always), "trigger", "finished", "blocks.ulid", "blocks.minTime", "blocks.maxTime", "blocks.samples", "blocks.bytes")
	slices.Sort(finished)
	require.Equal(t, finished, fields(s.do(http.MethodPost, "/finish", nil)))
	st = s.status()
	require.Equal(t, map[string]string{"run": "run-1", "branch": "main"}, st.Labels)
	require.Equal(t, fmt.Sprintf("benchkeep/runs/run-1/%s.json", st.Part), st.Manifest)
	require.Equal(t, []int64{t0, t0 + 1000}, []int64{st.MinTime, st.MaxTime})
	require.Len(t, st.Blocks, 1)
	require.EqualValues(t, 2, st.Blocks[0].Samples)
	require.Equal(t, blockwriter.UploadProgress{Blocks: 1, BlocksDone: 1, Bytes: st.Blocks[0].Bytes, BytesDone: st.Blocks[0].Bytes}, st.Upload)
	require.NotNil(t, st.Finished)
}

func TestLandingPageEscapesWhatOthersChose(t *testing.T) {
	const hostile = `<script>alert("x")</script>`
	s := serve(t, startRun(t, func(o *blockwriter.Options) { o.Labels = map[string]string{"branch": hostile} }), Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1, 2), float("b", 1))).status)
	a := s.get("/")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	require.NotContains(t, a.body, "<script")
	for _, part := range []string{"&lt;script&gt;", "benchkeep: run-1", "<td>open</td>", "3 in 2 series", "0 samples in 0 blocks"} {
		require.Contains(t, a.body, part)
	}
	require.True(t, strings.HasSuffix(strings.TrimSpace(a.body), "</html>"), "the page is whole")
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, "/finish", nil).status)
	require.Contains(t, s.get("/").body, "3 samples in 1 blocks")
}

func TestProfiles(t *testing.T) {
	s := serve(t, &fakeRun{}, Options{})
	index := s.get("/debug/pprof/")
	require.Equal(t, http.StatusOK, index.status)
	require.Contains(t, index.body, "goroutine")
	heap := s.get("/debug/pprof/heap?debug=1")
	require.Equal(t, http.StatusOK, heap.status)
	require.Contains(t, heap.body, "heap profile")
	require.Equal(t, http.StatusNotFound, s.get("/debug/pprof/cmdline").status, "flags may have secrets")
}
