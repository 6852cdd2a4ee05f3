package deploy

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A forge stands in for the comments of GitHub's and of GitLab's API: those of
// the request 7 of example/product, which is GitLab's project 81.
type forge struct {
	*httptest.Server
	mu       sync.Mutex
	comments []forgeComment // oldest first
	calls    []string
	readOnly bool
}

type forgeComment struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
}

func newForge(t *testing.T) *forge {
	t.Helper()
	f, mux := &forge{comments: []forgeComment{}}, http.NewServeMux()
	for _, api := range []struct{ comments, one, change, header, prefix string }{
		{"/repos/example/product/issues/7/comments", "/repos/example/product/issues/comments/", "PATCH", "Authorization", "Bearer "},
		{"/projects/81/merge_requests/7/notes", "/projects/81/merge_requests/7/notes/", "PUT", "PRIVATE-TOKEN", ""},
	} {
		handle := func(pattern string, answer func(http.ResponseWriter, *http.Request)) {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.calls = append(f.calls, r.Method+" "+r.URL.String())
				switch {
				case r.Header.Get(api.header) != api.prefix+commentToken:
					w.WriteHeader(http.StatusUnauthorized)
				case f.readOnly && r.Method != http.MethodGet:
					w.WriteHeader(http.StatusForbidden)
				default:
					answer(w, r)
				}
			})
		}
		handle("GET "+api.comments, func(w http.ResponseWriter, r *http.Request) { f.list(w, r, api.change == "PUT") })
		handle("POST "+api.comments, f.create)
		handle(api.change+" "+api.one+"{id}", f.update)
	}
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// list answers a page. GitLab's begins with the newest.
func (f *forge) list(w http.ResponseWriter, r *http.Request, newest bool) {
	size, errSize := strconv.Atoi(r.URL.Query().Get("per_page"))
	page, errPage := strconv.Atoi(r.URL.Query().Get("page"))
	if errSize != nil || errPage != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	all := slices.Clone(f.comments)
	if newest {
		slices.Reverse(all)
	}
	from := min((page-1)*size, len(all))
	f.answer(w, http.StatusOK, all[from:min(from+size, len(all))])
}

func (f *forge) create(w http.ResponseWriter, r *http.Request) {
	created := forgeComment{ID: 1000 + len(f.comments), Body: bodyOf(r)}
	f.comments = append(f.comments, created)
	f.answer(w, http.StatusCreated, created)
}

func (f *forge) update(w http.ResponseWriter, r *http.Request) {
	for i := range f.comments {
		if strconv.Itoa(f.comments[i].ID) == r.PathValue("id") {
			f.comments[i].Body = bodyOf(r)
			f.answer(w, http.StatusOK, f.comments[i])
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func (f *forge) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone has its own error
}

// bodyOf is the comment in a request. What is none stays empty, which no test
// takes for one.
func bodyOf(r *http.Request) string {
	data, err := io.ReadAll(r.Body)
	var sent struct{ Body string }
	if err != nil || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(data, &sent) != nil {
		return ""
	}
	return sent.Body
}

// chat has people write n comments.
func (f *forge) chat(n int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.comments = append(f.comments, forgeComment{ID: 1000 + len(f.comments), Body: body})
	}
}

// ofGate are the comments that begin with a gate's mark, as they are now.
func (f *forge) ofGate() (bodies []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.comments {
		if strings.HasPrefix(c.Body, "<!-- benchkeep compare ") {
			bodies = append(bodies, c.Body)
		}
	}
	return bodies
}

// written are the methods of the calls since the last time, but for those that
// only read.
func (f *forge) written(t *testing.T) (methods []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, call := range f.calls {
		require.NotContains(t, call, commentToken)
		if method, _, _ := strings.Cut(call, " "); method != http.MethodGet {
			methods = append(methods, method)
		}
	}
	f.calls = nil
	return methods
}
