package archive

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/thanos-io/objstore"
)

// namedAtMost bounds the runs that an error names.
const namedAtMost = 5

// UnknownRunError says that no run has the name, nor one that begins like it.
type UnknownRunError struct {
	Name string
	// Nearest are the runs that may be meant, the likeliest first.
	Nearest []string
}

func (e *UnknownRunError) Error() string {
	if len(e.Nearest) == 0 {
		return fmt.Sprintf("no run %q in the bucket", e.Name)
	}
	return fmt.Sprintf("no run %q in the bucket; is it %s?", e.Name, strings.Join(e.Nearest, ", "))
}

// AmbiguousRunError says that several runs begin with the name.
type AmbiguousRunError struct {
	Prefix string
	Runs   []string // sorted
}

func (e *AmbiguousRunError) Error() string {
	shown := e.Runs[:min(len(e.Runs), namedAtMost)]
	more := ""
	if n := len(e.Runs) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d runs begin with %q: %s%s", len(e.Runs), e.Prefix, strings.Join(shown, ", "), more)
}

// RunIDs lists the runs that have a record in the bucket, sorted.
func RunIDs(ctx context.Context, bkt objstore.BucketReader) ([]string, error) {
	var ids []string
	err := bkt.Iter(ctx, runsDir, func(name string) error {
		if id := path.Base(name); strings.HasSuffix(name, objstore.DirDelim) && ValidateRunID(id) == nil {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	slices.Sort(ids)
	return ids, nil
}

// FindRun gives the run that is meant by a name: the id itself, or the only one
// that begins with it. The error is an [UnknownRunError] or [AmbiguousRunError].
func FindRun(ids []string, name string) (string, error) {
	if slices.Contains(ids, name) {
		return name, nil
	}
	var found []string
	for _, id := range ids {
		if name != "" && strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", &UnknownRunError{Name: name, Nearest: nearest(ids, name)}
	case 1:
		return found[0], nil
	default:
		slices.Sort(found)
		return "", &AmbiguousRunError{Prefix: name, Runs: found}
	}
}

// nearest are the ids that a name may be a slip of: those that contain it, and
// those that few keystrokes make of it.
func nearest(ids []string, name string) []string {
	type candidate struct {
		id       string
		distance int
	}
	var near []candidate
	for _, id := range ids {
		d := distance(strings.ToLower(id), strings.ToLower(name))
		if len(name) > 1 && strings.Contains(id, name) {
			d = 0
		}
		if d <= max(1, len(name)/3) {
			near = append(near, candidate{id, d})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int { return cmp.Or(a.distance-b.distance, cmp.Compare(a.id, b.id)) })
	var out []string
	for _, c := range near[:min(len(near), namedAtMost)] {
		out = append(out, c.id)
	}
	return out
}

// distance is Levenshtein's: how many bytes to insert, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
