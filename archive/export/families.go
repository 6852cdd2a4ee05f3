package export

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/benchkeep/benchkeep/archive"
)

// A family is what OpenMetrics calls a metric family: metrics of one type, whose
// samples are named by the family and what part of a metric they are.
type family struct {
	name    string
	kind    model.MetricType
	about   archive.Metadata
	members []member // in the order in which the parts of a metric are written
	// native is the family's name if there are series of that name, which have to
	// be native histograms.
	native string
}

// A member is the series of one name in a family.
type member struct {
	metric string
	part
}

// A part is one of a metric: what its name has besides the family's, and the
// label that tells samples of that name apart.
type part struct{ suffix, bound string }

// partsOf are the parts of a metric of a type whose samples have names of their
// own. The first is one that must be there, except in summaries.
//
// Source: https://prometheus.io/docs/specs/om/open_metrics_spec/#suffixes
func partsOf(kind model.MetricType) []part {
	switch kind {
	case model.MetricTypeCounter:
		return []part{{suffix: "_total"}, {suffix: "_created"}}
	case model.MetricTypeHistogram:
		return []part{{"_bucket", model.BucketLabel}, {suffix: "_count"}, {suffix: "_sum"}, {suffix: "_created"}}
	case model.MetricTypeGaugeHistogram:
		return []part{{"_bucket", model.BucketLabel}, {suffix: "_gcount"}, {suffix: "_gsum"}}
	case model.MetricTypeSummary:
		return []part{{"", model.QuantileLabel}, {suffix: "_count"}, {suffix: "_sum"}, {suffix: "_created"}}
	case model.MetricTypeInfo:
		return []part{{suffix: "_info"}}
	default:
		return nil
	}
}

// findFamilies sorts metrics into families, by what is known of them. The format
// has rules about names that Prometheus does not have: what does not keep to
// them is of unknown type, each name a family of its own.
func findFamilies(names []string, metadata map[string]archive.Metadata) []*family {
	f := &finder{metadata: metadata, present: map[string]bool{}, claimed: map[string]string{}}
	for _, name := range names {
		f.present[name] = true
	}
	kinds := map[string]model.MetricType{} // of families, by name
	for _, name := range names {
		base, kind := f.belongs(name)
		if base == "" {
			continue
		}
		f.claimed[name] = base
		if other, ok := kinds[base]; ok && other != kind {
			kind = model.MetricTypeUnknown // it cannot have two
		}
		kinds[base] = kind
	}
	var found []*family
	taken := map[string]bool{}
	for _, base := range slices.Sorted(maps.Keys(kinds)) {
		if one := f.family(base, kinds[base]); one != nil {
			found = append(found, one)
			for _, m := range one.members {
				taken[m.metric] = true
			}
			taken[one.native] = true
		}
	}
	for _, name := range names {
		if !taken[name] {
			found = append(found, single(name, metadata[name]))
		}
	}
	slices.SortFunc(found, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	return found
}

type finder struct {
	metadata map[string]archive.Metadata
	present  map[string]bool
	claimed  map[string]string // family by name of the series
}

// belongs gives the family that series of a name belong to if they are what
// metadata says; it is empty where they are no part of something.
func (f *finder) belongs(name string) (base string, kind model.MetricType) {
	for _, kind := range []model.MetricType{
		model.MetricTypeCounter, model.MetricTypeHistogram, model.MetricTypeGaugeHistogram, model.MetricTypeSummary, model.MetricTypeInfo,
	} {
		for _, p := range slices.Backward(partsOf(kind)) { // the longest suffix first
			base, ok := strings.CutSuffix(name, p.suffix)
			if ok && base != "" && f.kind(name, base) == kind {
				return base, kind
			}
		}
	}
	return "", ""
}

// kind is the type that a name has in a family. Senders describe either.
func (f *finder) kind(name, base string) model.MetricType {
	for _, described := range []string{name, base, base + "_total"} {
		if kind := model.MetricType(f.metadata[described].Type); kind != "" && kind != model.MetricTypeUnknown {
			return kind
		}
	}
	return model.MetricTypeUnknown
}

// family makes a family of the names that belong to it, or none if its name
// could be taken for another's, or another's for its own.
func (f *finder) family(base string, kind model.MetricType) *family {
	one := &family{name: base, kind: kind}
	has := map[string]bool{}
	for _, p := range partsOf(kind) {
		name := base + p.suffix
		if !f.present[name] {
			continue
		}
		if f.claimed[name] != base {
			return nil
		}
		has[p.suffix] = true
		one.members = append(one.members, member{name, p})
		if one.about.Type == "" {
			one.about = f.metadata[name]
		}
	}
	if about, ok := f.metadata[base]; ok {
		one.about = about
	}
	if kind == model.MetricTypeSummary {
		return one
	}
	if f.present[base] {
		if kind != model.MetricTypeHistogram && kind != model.MetricTypeGaugeHistogram || f.claimed[base] != "" {
			return nil
		}
		one.native = base
	}
	if len(one.members) == 0 || one.members[0].suffix != partsOf(kind)[0].suffix || has["_count"] != has["_sum"] || has["_gcount"] != has["_gsum"] {
		return nil
	}
	return one
}

// single is the family of one name.
func single(name string, about archive.Metadata) *family {
	kind := model.MetricType(about.Type)
	if kind != model.MetricTypeGauge && kind != model.MetricTypeStateset {
		kind = model.MetricTypeUnknown
	}
	return &family{name: name, kind: kind, about: about, members: []member{{metric: name}}}
}

// singles are the families of its names where they do not make one.
func (f *family) singles() (all []*family) {
	for _, m := range f.members {
		all = append(all, &family{name: m.metric, kind: model.MetricTypeUnknown, about: archive.Metadata{Help: f.about.Help, Unit: f.about.Unit}, members: []member{{metric: m.metric}}})
	}
	if f.native != "" {
		all = append(all, single(f.native, archive.Metadata{Help: f.about.Help, Unit: f.about.Unit}))
	}
	return all
}

// unit is the unit as far as the format lets it be told.
func (f *family) unit() string {
	if f.kind == model.MetricTypeInfo || f.kind == model.MetricTypeStateset || f.about.Unit == "" || !strings.HasSuffix(f.name, "_"+f.about.Unit) {
		return ""
	}
	return f.about.Unit
}
