package harness

// URL is the address of the Thanos Query.
func (q *Thanos) URL() string { return q.url }
