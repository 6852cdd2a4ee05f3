package compare

// pair makes queries of the user's comparable that have one series in each run:
// that is what they are about, whatever its labels are. An instance, say, is
// another in each run.
func (o *Options) pair(members []*member) {
	for _, q := range o.Queries {
		for m, k := range theOnly(members, q.Name) {
			found := m.found[k]
			delete(m.found, k)
			found.Labels = nil
			m.add(found)
		}
	}
}

// theOnly gives the one series that each member has of the query; nil if one has
// several.
func theOnly(members []*member, name string) map[*member]key {
	only := map[*member]key{}
	for _, m := range members {
		for k := range m.found {
			if k.name != name {
				continue
			}
			if _, another := only[m]; another {
				return nil
			}
			only[m] = k
		}
	}
	return only
}
