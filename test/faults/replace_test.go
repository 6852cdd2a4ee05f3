package faults

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestOrderOfReplacement merges late samples into blocks that are in the
// bucket already, and compares the order of what the finish does there with
// testdata/replace.golden: while the head is cut, the data files of its own
// block; then a new block, its meta.json last, and at once the old one that it
// replaces, its meta.json first, so that the two are there together for no longer
// than it takes. The block from the head is complete when its turn comes, and the
// manifest is the last of all.
func TestOrderOfReplacement(t *testing.T) {
	t.Parallel()
	const run = "replace"
	dir := harness.Dir(t)
	direct := harness.StartBucket(t, dir)
	proxy, bucket := harness.StartProxy(t, dir, direct)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	sendReplacing(t, sender, direct, run, windowStart(3))
	sender.Close()
	old := direct.Blocks(t)
	before := len(proxy.Requests())
	terminate(t, r, 0)
	requests := proxy.Requests()[before:]

	golden, err := os.ReadFile("testdata/replace.golden")
	if err != nil {
		t.Fatalf("read golden file: %v", err)
	}
	if got := changes(requests, old); got != string(golden) {
		t.Errorf("the finish does\n%s\nwant\n%s", got, golden)
	}
	checkLookedAt(t, requests)
	checkArchived(t, dir, direct, run, sender)
}

// changes are the requests that change the bucket, a line each. Blocks are
// named by their age and the order of their appearance; the data files of a
// block, which go up at the same time, stand in order of their names. Of the
// manifest only a last write counts: it is refreshed now and then.
func changes(requests []harness.Request, old []harness.Block) string {
	names := map[string]string{}
	for i, block := range old {
		names[block.ULID] = fmt.Sprintf("old-%d", i+1)
	}
	var lines []string
	fresh, first := 0, 0 // first is the first line of the data files under way
	last := ""
	for _, req := range requests {
		if req.Method != http.MethodPut && req.Method != http.MethodDelete {
			continue
		}
		block, file, _ := strings.Cut(req.Object, "/")
		if manifest(req) {
			last = req.Method + " manifest\n"
			continue
		}
		last = ""
		if names[block] == "" {
			fresh++
			names[block] = fmt.Sprintf("new-%d", fresh)
		}
		lines = append(lines, req.Method+" "+names[block]+"/"+file)
		if file == "meta.json" {
			first = len(lines)
		}
		slices.Sort(lines[first:])
	}
	return strings.Join(lines, "\n") + "\n" + last
}

// checkLookedAt checks that each object of a block is looked at after it went
// up, the data files before meta.json goes up.
func checkLookedAt(t *testing.T, requests []harness.Request) {
	t.Helper()
	unseen := map[string]bool{}
	for _, req := range requests {
		block, file, _ := strings.Cut(req.Object, "/")
		if _, err := ulid.ParseStrict(block); err != nil {
			continue
		}
		switch req.Method {
		case http.MethodHead, http.MethodGet:
			delete(unseen, req.Object)
		case http.MethodPut:
			for object := range unseen {
				if file == "meta.json" && strings.HasPrefix(object, block+"/") {
					t.Errorf("%s goes up before anyone looked whether %s is there", req.Object, object)
				}
			}
			unseen[req.Object] = true
		}
	}
	for object := range unseen {
		t.Errorf("nobody looked whether %s is there", object)
	}
}
