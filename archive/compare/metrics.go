package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/benchkeep/benchkeep/archive"
)

// Statistics of a metric.
const (
	statRate  = "rate"  // of a counter, or of a histogram's count
	statValue = "value" // of a gauge, or of a summary's quantiles
	statMean  = "mean"  // of a histogram or summary
)

// perSecond is the unit of how often something happens, and what it adds to the
// unit of what is counted.
const perSecond = "/s"

// quantiles are what is asked of histograms.
var quantiles = []struct{ statistic, quantile string }{{"p50", "0.5"}, {"p90", "0.9"}, {"p99", "0.99"}}

// metricQueries makes the queries that show a run's metrics, each by its type.
type metricQueries struct {
	names    []string // sorted
	metadata map[string]archive.Metadata
	by       string // labels to tell apart, joined
	grid     grid
	found    []probe
	skipped  []Skipped
}

func newMetricQueries(names []string, metadata map[string]archive.Metadata, by []string, g grid) *metricQueries {
	m := &metricQueries{names: names, metadata: metadata, by: strings.Join(by, ", "), grid: g}
	for _, name := range names {
		m.add(name)
	}
	return m
}

// add adds what there is to know of the metric with the given name.
func (m *metricQueries) add(name string) {
	family, suffix := m.family(name)
	switch kind := m.kind(family); {
	case strings.HasPrefix(name, "scrape_"):
		m.skip(name, "Prometheus' own account of its scrapes")
	case suffix == "_created" || strings.HasSuffix(name, "_timestamp_seconds") || strings.HasSuffix(name, "_start_time_seconds"):
		m.skip(name, "a point in time")
	case kind == model.MetricTypeInfo || kind == model.MetricTypeStateset || strings.HasSuffix(name, "_info"):
		m.skip(name, "text, not a quantity")
	case kind == model.MetricTypeGaugeHistogram:
		m.skip(name, "a gauge histogram")
	case suffix == "_sum":
		// It counts with the mean.
	case suffix == "_bucket":
		if !m.has(family) { // else there is a native histogram, which is finer
			m.addClassic(family)
		}
	case suffix == "_count":
		if !m.has(family) || kind == model.MetricTypeSummary {
			m.addCount(family)
		}
	case kind == model.MetricTypeHistogram:
		m.found = append(m.found, m.native(name)...)
	case kind == model.MetricTypeCounter || strings.HasSuffix(name, "_total"):
		m.addQuery(name, statRate, m.unit(name)+perSecond, fmt.Sprintf("sum%s (rate(%s[%s]))", m.grouping(), selector(name), varRateInterval))
	case kind == model.MetricTypeSummary:
		m.addQuery(name, statValue, m.unit(name), m.averages(name, "quantile"))
	case kind == model.MetricTypeGauge:
		m.addQuery(name, statValue, m.unit(name), m.averages(name))
	default: // which may turn out to be a native histogram
		m.addQuery(name, statValue, m.unit(name), fmt.Sprintf("avg%s (avg_over_time(%s[%s]))", m.grouping(), selector(name), varInterval))
	}
}

// averages is the query for values that go up and down. One that is NaN, as a
// quantile of nothing is, does not make the average so.
func (m *metricQueries) averages(name string, by ...string) string {
	return fmt.Sprintf("avg%s (avg_over_time(%s[%s]) > -Inf)", m.grouping(by...), selector(name), varInterval)
}

// addClassic adds the quantiles of a classic histogram.
func (m *metricQueries) addClassic(family string) {
	for _, q := range quantiles {
		m.addQuery(family, q.statistic, m.unit(family), fmt.Sprintf("histogram_quantile(%s, sum%s (rate(%s[%s])))",
			q.quantile, m.grouping("le"), selector(family+"_bucket"), varRateInterval))
	}
}

// addCount adds how often a classic histogram or a summary was observed, and
// the mean of what was observed.
func (m *metricQueries) addCount(family string) {
	count := fmt.Sprintf("sum%s (rate(%s[%s]))", m.grouping(), selector(family+"_count"), varRateInterval)
	m.addQuery(family, statRate, perSecond, count)
	if m.has(family + "_sum") {
		m.addQuery(family, statMean, m.unit(family), fmt.Sprintf("sum%s (rate(%s[%s])) / %s", m.grouping(), selector(family+"_sum"), varRateInterval, count))
	}
}

// native gives what there is to know of a native histogram.
func (m *metricQueries) native(name string) (queries []probe) {
	sum := fmt.Sprintf("sum%s (rate(%s[%s]))", m.grouping(), selector(name), varRateInterval)
	for _, q := range quantiles {
		queries = append(queries, m.query(name, q.statistic, m.unit(name), fmt.Sprintf("histogram_quantile(%s, %s)", q.quantile, sum)))
	}
	return append(queries,
		m.query(name, statMean, m.unit(name), fmt.Sprintf("histogram_avg(%s)", sum)),
		m.query(name, statRate, perSecond, fmt.Sprintf("histogram_count(%s)", sum)))
}

func (m *metricQueries) addQuery(name, statistic, unit, template string) {
	m.found = append(m.found, m.query(name, statistic, unit, template))
}

func (m *metricQueries) query(name, statistic, unit, template string) probe {
	return newProbe(Subject{Name: name, Statistic: statistic, Query: template, Unit: unit}, m.grid)
}

func (m *metricQueries) skip(name, why string) {
	m.skipped = append(m.skipped, Skipped{name, why, name})
}

// unit is as the writer said or, since few do, as the name says by convention.
//
// Source: https://prometheus.io/docs/practices/naming/#base-units
func (m *metricQueries) unit(name string) string {
	if said := m.metadata[name].Unit; said != "" {
		return said
	}
	base := strings.TrimSuffix(name, "_total")
	for _, unit := range []string{"seconds", "bytes", "ratio", "celsius", "meters", "volts", "amperes", "joules", "grams"} {
		if strings.HasSuffix(base, "_"+unit) {
			return unit
		}
	}
	return ""
}

// family is the metric that a series belongs to, and what its name has besides.
// A name without such a suffix is a family of its own.
func (m *metricQueries) family(name string) (family, suffix string) {
	for _, suffix := range []string{"_bucket", "_count", "_sum", "_created"} {
		family, found := strings.CutSuffix(name, suffix)
		if found && m.belongs(family, suffix) {
			return family, suffix
		}
	}
	return name, ""
}

// belongs reports whether the family is of a type that has such a suffix; where
// the type is not known, whether its other series are there.
func (m *metricQueries) belongs(family, suffix string) bool {
	switch m.kind(family) {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
		return true
	case model.MetricTypeSummary:
		return suffix != "_bucket"
	case model.MetricTypeUnknown:
		_, told := m.metadata[family+suffix]
		return !told && m.has(family+"_count") && (m.has(family+"_sum") || m.has(family+"_bucket"))
	default:
		return suffix == "_created"
	}
}

// kind is the type of a metric as its writer said; where nothing was said, a
// summary shows by its other series. OpenMetrics names a counter's family
// without _total.
func (m *metricQueries) kind(name string) model.MetricType {
	for _, n := range []string{name, strings.TrimSuffix(name, "_total")} {
		if said := m.metadata[n].Type; said != "" {
			return model.MetricType(said)
		}
	}
	if m.has(name) && m.has(name+"_count") && m.has(name+"_sum") && !m.has(name+"_bucket") {
		return model.MetricTypeSummary
	}
	return model.MetricTypeUnknown
}

func (m *metricQueries) has(name string) bool {
	_, found := slices.BinarySearch(m.names, name)
	return found
}

// grouping is a by clause with the user's labels and the given ones.
func (m *metricQueries) grouping(more ...string) string {
	if m.by != "" {
		more = append(more, m.by)
	}
	if len(more) == 0 {
		return ""
	}
	return " by (" + strings.Join(more, ", ") + ")"
}

// selector selects a metric, whatever its name is made of.
func selector(name string) string {
	if model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	return fmt.Sprintf("{%q}", name)
}
