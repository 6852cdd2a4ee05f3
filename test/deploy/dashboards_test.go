package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// A dashboard is what the tests read of Grafana's JSON.
type dashboard struct {
	UID, Title, Description string
	ID                      *int
	SchemaVersion           int
	Time                    struct{ From, To string }
	Links                   []struct{ Title, URL string }
	Templating              struct{ List []variable }
	Panels                  []panel
}

type variable struct {
	Name, Type, Regex, AllValue string
	Query                       json.RawMessage
	Refresh, Hide               int
	IncludeAll                  bool
	Current                     struct{ Value any }
	Datasource                  struct{ UID string }
}

type panel struct {
	ID                                 int
	Type, Title, Description, TimeFrom string
	Datasource                         struct{ UID string }
	GridPos                            struct{ X, Y, W, H int }
	FieldConfig                        struct{ Defaults struct{ Unit string } }
	Targets                            []target
}

type target struct {
	RefID, Expr string
	Instant     bool
	Datasource  struct{ UID string }
}

func dashboards(t testing.TB) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(deployed(t, "archive", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	found := map[string]dashboard{}
	for _, f := range files {
		var d dashboard
		require.NoError(t, json.Unmarshal([]byte(read(t, f)), &d), f)
		require.NotContains(t, found, d.UID, "a uid twice")
		found[d.UID] = d
	}
	require.ElementsMatch(t, []string{"benchkeep-run", "benchkeep-compare", "benchkeep-receiver"}, slices.Collect(maps.Keys(found)))
	return found
}

// eachExpression walks the queries of the panels.
func (d dashboard) eachExpression(each func(panel, target)) {
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			each(p, q)
		}
	}
}

// TestDashboardsAreWellMade checks what Grafana itself would not complain of.
func TestDashboardsAreWellMade(t *testing.T) {
	for uid, d := range dashboards(t) {
		t.Run(uid, func(t *testing.T) {
			require.Nil(t, d.ID, "an id is the database's")
			require.NotEmpty(t, d.Description)
			known := map[string]bool{}
			for _, v := range d.Templating.List {
				known[v.Name] = true
				if v.Type == "query" {
					require.Equal(t, "${datasource}", v.Datasource.UID, v.Name)
					require.Equal(t, 2, v.Refresh, "%s follows the time range", v.Name)
				}
			}
			ids := map[int]bool{}
			for i, p := range d.Panels {
				require.False(t, ids[p.ID], "panel %d twice", p.ID)
				ids[p.ID] = true
				require.NotEmpty(t, p.Title)
				require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
				for _, other := range d.Panels[:i] {
					a, b := p.GridPos, other.GridPos
					apart := a.X >= b.X+b.W || b.X >= a.X+a.W || a.Y >= b.Y+b.H || b.Y >= a.Y+a.H
					require.True(t, apart, "%s lies on %s", p.Title, other.Title)
				}
				if p.Type == "row" {
					continue
				}
				require.NotEmpty(t, p.Description, p.Title)
				require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
				require.NotEmpty(t, p.Targets, p.Title)
				refs := map[string]bool{}
				for _, q := range p.Targets {
					require.False(t, refs[q.RefID], "%s: query %s twice", p.Title, q.RefID)
					refs[q.RefID] = true
					require.Equal(t, "${datasource}", q.Datasource.UID, p.Title)
					for _, m := range placeholder.FindAllStringSubmatch(q.Expr, -1) {
						name := m[1] + m[2]
						require.True(t, known[name] || strings.HasPrefix(name, "__"), "%s: no variable %s", p.Title, name)
					}
				}
			}
		})
	}
}

// TestDashboardsLinkToEachOther follows the links to a dashboard and a variable
// of it.
func TestDashboardsLinkToEachOther(t *testing.T) {
	all := dashboards(t)
	files, err := filepath.Glob(deployed(t, "archive", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	link, links := regexp.MustCompile(`/d/([a-z-]+)\?([^"\\]*)`), 0
	for _, f := range files {
		for _, m := range link.FindAllStringSubmatch(read(t, f), -1) {
			links++
			d, ok := all[m[1]]
			require.True(t, ok, m[0])
			for _, v := range regexp.MustCompile(`var-(\w+)=`).FindAllStringSubmatch(m[2], -1) {
				named := slices.ContainsFunc(d.Templating.List, func(known variable) bool { return known.Name == v[1] })
				require.True(t, named, "%s has no variable %s", m[1], v[1])
			}
		}
	}
	require.NotZero(t, links)
}

// placeholder is a variable in a text, in either of its two forms.
var placeholder = regexp.MustCompile(`\$\{(\w+)\}|\$(\w+)`)

// interpolate puts values for variables, as Grafana does.
func interpolate(t testing.TB, text string, values map[string]string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := strings.Trim(match, "${}")
		value, ok := values[name]
		require.True(t, ok, "%s: no value for %s", text, name)
		return value
	})
}

// choose gives each variable of a dashboard a value: the one that a user has
// chosen, which has to be on offer, or the one that it comes with.
func (d dashboard) choose(t testing.TB, s stack, chosen map[string]string, from, to time.Time) map[string]string {
	t.Helper()
	values := map[string]string{
		"__range":         fmt.Sprintf("%ds", int(to.Sub(from).Seconds())),
		"__rate_interval": "20s", // four times the data source's interval
	}
	for _, v := range d.Templating.List {
		want, isChosen := chosen[v.Name]
		switch v.Type {
		case "datasource":
			values[v.Name] = "archive"
			continue
		case "custom":
			var options string
			require.NoError(t, json.Unmarshal(v.Query, &options))
			if !isChosen {
				want = v.Current.Value.(string)
			}
			require.Contains(t, strings.Split(options, ","), want, v.Name)
			values[v.Name] = want
			continue
		}
		offered := v.offers(t, s, values, from, to)
		require.NotEmpty(t, offered, "%s of %s", v.Name, d.UID)
		switch {
		case isChosen:
			require.Contains(t, offered, want, "%s of %s", v.Name, d.UID)
		case v.IncludeAll:
			want = v.AllValue
		default:
			want = offered[0]
		}
		values[v.Name] = want
	}
	return values
}

// offers evaluates the query of a variable as Grafana's Prometheus data source
// does: label_values asks for the values of a label, query_result for an
// instant answer at the end of the range, whose lines the regex picks from.
func (v variable) offers(t testing.TB, s stack, values map[string]string, from, to time.Time) []string {
	t.Helper()
	var query struct{ Query string }
	require.NoError(t, json.Unmarshal(v.Query, &query))
	text := interpolate(t, query.Query, values)
	var offered []string
	if m := regexp.MustCompile(`^label_values\((?:(.*), ?)?(\w+)\)$`).FindStringSubmatch(text); m != nil {
		return s.values(t.(*testing.T), m[2], m[1], from, to)
	}
	m := regexp.MustCompile(`^query_result\((.*)\)$`).FindStringSubmatch(text)
	require.NotNil(t, m, "%s: %s", v.Name, text)
	pick := regexp.MustCompile(strings.Trim(v.Regex, "/"))
	for _, r := range s.instant(t.(*testing.T), m[1], to) {
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(r.Metric)) {
			pairs = append(pairs, fmt.Sprintf("%s=%q", name, r.Metric[name]))
		}
		line := fmt.Sprintf("{%s} %s %.0f", strings.Join(pairs, ","), r.Value[1], r.Value[0].(float64)*1000)
		if found := pick.FindStringSubmatch(line); found != nil {
			offered = append(offered, found[1])
		}
	}
	return offered
}

// requireAnswers asks every query of a dashboard, which all have to give data.
// It gives the answers of the panels that have a time range of their own.
func (d dashboard) requireAnswers(t *testing.T, s stack, values map[string]string, from, to time.Time) map[string][]result {
	t.Helper()
	moved := map[string][]result{}
	d.eachExpression(func(p panel, q target) {
		expression, what := interpolate(t, q.Expr, values), d.UID+"/"+p.Title+"/"+q.RefID
		_, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
		require.NoError(t, err, what)
		if q.Instant {
			require.NotEmpty(t, s.instant(t, expression, to), "%s: %s", what, expression)
			return
		}
		begin := from
		if p.TimeFrom != "" {
			length, err := time.ParseDuration(interpolate(t, p.TimeFrom, values))
			require.NoError(t, err, what)
			begin = to.Add(-length)
		}
		answer := s.over(t, expression, begin, to, time.Second)
		require.NotEmpty(t, answer, "%s: %s", what, expression)
		if p.TimeFrom != "" {
			moved[what] = answer
		}
	})
	return moved
}

// metricsIn are the names of the metrics that an expression selects.
func metricsIn(t testing.TB, expression string) []string {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	require.NoError(t, err, expression)
	var names []string
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if selector, ok := n.(*parser.VectorSelector); ok && selector.Name != "" {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names
}

// requireDocumented checks that a metric of benchkeep's is one that
// docs/metrics.md lists.
func requireDocumented(t testing.TB, name string) {
	t.Helper()
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	require.Contains(t, doc(t, "metrics.md"), "\n"+name+"\n")
}

func TestAlertsNameMetricsThatExist(t *testing.T) {
	for _, expression := range alertExpressions(t, deployed(t, "alerts.yaml")) {
		for _, name := range metricsIn(t, expression) {
			requireDocumented(t, name)
		}
	}
}

func alertExpressions(t testing.TB, path string) []string {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []struct{ Expr string } }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, path)), &rules))
	var expressions []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
		}
	}
	require.NotEmpty(t, expressions)
	return expressions
}

// TestGrafanaIsProvisioned holds the files that Grafana reads at its start to
// each other and to the manifests.
func TestGrafanaIsProvisioned(t *testing.T) {
	var sources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault, Editable          bool
			JSONData                     map[string]any `json:"jsonData"`
		}
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, deployed(t, "archive", "grafana", "datasource.yaml"))), &sources))
	require.Len(t, sources.Datasources, 1)
	source := sources.Datasources[0]
	require.Equal(t, "prometheus", source.Type)
	require.Equal(t, "http://query-frontend:10902", source.URL)
	for _, d := range dashboards(t) {
		require.Equal(t, source.UID, d.Templating.List[0].Current.Value)
	}

	var providers struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool `json:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, deployed(t, "archive", "grafana", "provider.yaml"))), &providers))
	mounts := map[string]bool{}
	for _, m := range archiveContainers(t)["grafana"].VolumeMounts {
		mounts[m.MountPath] = true
	}
	require.True(t, mounts[providers.Providers[0].Options.Path])
	kustomization := read(t, deployed(t, "archive", "kustomization.yaml"))
	files, err := filepath.Glob(deployed(t, "archive", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, kustomization, "grafana/dashboards/"+filepath.Base(f))
		require.True(t, bytes.HasSuffix([]byte(read(t, f)), []byte("}\n")))
	}
}
