package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/benchkeep/benchkeep/archive"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 30

// A Remote has a server with the Prometheus API evaluate queries: a Thanos Query
// over the bucket, or a Prometheus that has the run. It does not need closing.
type Remote struct {
	base *url.URL
	run  *archive.Run
}

// NewRemote asks the server at an address as of a web interface, which may have
// a path, a user and a password. It does not connect yet.
func NewRemote(address string, run *archive.Run) (*Remote, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("--query.url: want the address of a Thanos Query or a Prometheus, such as http://thanos.example.com:10902")
	}
	return &Remote{base: base, run: run}, nil
}

// Close implements [Source].
func (r *Remote) Close() error { return nil }

// Instant implements [Source].
func (r *Remote) Instant(ctx context.Context, expr string, at int64) (*Result, error) {
	return r.query(ctx, "query", expr, url.Values{"time": {seconds(at)}})
}

// Range implements [Source].
func (r *Remote) Range(ctx context.Context, expr string, start, end int64, step time.Duration) (*Result, error) {
	if err := checkRange(start, end, step); err != nil {
		return nil, err
	}
	result, err := r.query(ctx, "query_range", expr, url.Values{
		"start": {seconds(start)}, "end": {seconds(end)}, "step": {seconds(step.Milliseconds())},
	})
	if err != nil {
		return nil, err
	}
	for _, s := range result.Series {
		for _, p := range s.Points {
			if p.T < start || p.T > end || (p.T-start)%step.Milliseconds() != 0 {
				return nil, fmt.Errorf("--query.url=%s: the answer is for other times than those asked for: ask the Thanos Query itself, not a frontend that aligns ranges", r.base.Redacted())
			}
		}
	}
	return result, nil
}

// seconds is a time in ms as the API takes it.
func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }

// resolution is that of the run's samples: raw ones, unless only downsampled ones
// are left.
func (r *Remote) resolution() string {
	var coarsest time.Duration
	for _, b := range r.run.Current() {
		if b.Gone() {
			continue
		}
		if b.Raw() {
			return "0s"
		}
		coarsest = max(coarsest, time.Duration(b.Resolution)*time.Millisecond)
	}
	return model.Duration(coarsest).String()
}

// query asks about the run alone. Of Thanos it asks for what is in the bucket:
// raw samples, and each series, also where it has another as its replica.
func (r *Remote) query(ctx context.Context, endpoint, expr string, parameters url.Values) (*Result, error) {
	ofRun, err := narrowed(expr, r.run.ID)
	if err != nil {
		return nil, err
	}
	parameters.Set("query", ofRun)
	parameters.Set("dedup", "false")
	parameters.Set("max_source_resolution", r.resolution())
	parameters.Set("partial_response", "false") // half an answer is none
	a, err := r.ask(ctx, http.MethodPost, endpoint, parameters)
	if err != nil {
		return nil, err
	}
	result, err := decodeResult(a.Data)
	if err != nil {
		return nil, r.unexpected(err)
	}
	result.Warnings, result.Infos = a.Warnings, a.Infos
	return result, nil
}

// MetricNames implements [Source].
func (r *Remote) MetricNames(ctx context.Context) ([]string, error) {
	mint, maxt := r.run.TimeRange()
	a, err := r.ask(ctx, http.MethodGet, "label/__name__/values", url.Values{
		"partial_response": {"false"},
		"match[]":          {fmt.Sprintf("{%s=%q}", archive.LabelRun, r.run.ID)}, "start": {seconds(mint)}, "end": {seconds(maxt)},
	})
	if err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal(a.Data, &names); err != nil {
		return nil, r.unexpected(err)
	}
	slices.Sort(names)
	return names, nil
}

// answer is what the API wraps everything in.
type answer struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
	Warnings  []string        `json:"warnings"`
	Infos     []string        `json:"infos"`
}

func (r *Remote) ask(ctx context.Context, method, endpoint string, parameters url.Values) (_ *answer, err error) {
	u, form := r.base.JoinPath("api/v1", endpoint), parameters.Encode()
	if method == http.MethodGet {
		u.RawQuery, form = form, ""
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{CheckRedirect: sameMethod}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("--query.url: %w", err) // names the address, and hides a password
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--query.url=%s: read the answer: %w", r.base.Redacted(), err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("--query.url=%s: the answer is larger than %d bytes: narrow the query by labels or time, or take a longer step", r.base.Redacted(), maxAnswer)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Status == "" {
		return nil, r.unexpected(fmt.Errorf("its status is %s", resp.Status))
	}
	if a.Status != "success" {
		return nil, fmt.Errorf("--query.url=%s answered %d %s: %s", r.base.Redacted(), resp.StatusCode, printable(a.ErrorType), printable(a.Error))
	}
	return &a, nil
}

// sameMethod follows redirects but for those that would lose the query.
func sameMethod(req *http.Request, via []*http.Request) error {
	const most = 10
	switch {
	case req.Method != via[0].Method:
		return fmt.Errorf("it has moved: give %s", req.URL.Redacted())
	case len(via) >= most:
		return errors.New("too many redirects")
	default:
		return nil
	}
}

// unexpected is about an answer that is none of the API's.
func (r *Remote) unexpected(err error) error {
	return fmt.Errorf("--query.url=%s: the answer is not that of a Thanos Query or a Prometheus: %w", r.base.Redacted(), err)
}

// printable takes from a server's words what could move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
