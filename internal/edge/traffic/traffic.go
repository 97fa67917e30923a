// Package traffic counts what an edge answered, by minute: per zone and host, by the
// status towards the visitor and the origin's, by the visitor's country and by what
// the cache did. Memory is bounded: a minute with very many kinds of answers forgets
// hosts and countries before it forgets numbers.
package traffic

import (
	"sync"
	"time"
)

// Bounds: a day by minutes; in a minute so many kinds of answers with all their
// particulars; so many over all, about 40 MB at worst.
const (
	Step     = time.Minute
	keep     = 24 * time.Hour
	maxKinds = 1000
	maxTotal = 250_000
)

// Kind is what answers that are counted together have in common.
type Kind struct {
	Zone    string
	Host    string // empty = several, or not known
	Edge    int    // status towards the visitor
	Origin  int    // the origin's status; 0 = it was not asked, or gave none
	Country string // two letters; XX = not known; empty = several, or nobody looks
	Cache   string // CF-Cache-Status; empty = the cache had no part
}

// Sum is how many answers there were, and the bytes of their bodies.
type Sum struct {
	Count, Bytes int64
}

// Row is the sum of one kind in one minute.
type Row struct {
	At time.Time // the minute's beginning
	Kind
	Sum
}

// Counter counts. Its methods are safe for concurrent use. The zero Counter works.
type Counter struct {
	mu      sync.Mutex
	minutes []*minute // oldest first; guarded by mu
	total   int       // kinds in all of them; guarded by mu
}

type minute struct {
	at    int64 // minutes since 1970
	kinds map[Kind]*Sum
}

// Add counts one answer.
func (c *Counter) Add(at time.Time, k Kind, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.minute(at.Unix() / int64(Step.Seconds()))
	s := m.kinds[k]
	if s == nil {
		if len(m.kinds) >= maxKinds {
			k.Host, k.Country = "", ""
			s = m.kinds[k]
		}
		if s == nil {
			s = &Sum{}
			m.kinds[k] = s
			c.total++
			c.forget(m)
		}
	}
	s.Count++
	s.Bytes += bytes
}

// minute is the one of a time: the newest, or an older one for answers that took long.
func (c *Counter) minute(at int64) *minute {
	for i := len(c.minutes) - 1; i >= 0; i-- {
		switch m := c.minutes[i]; {
		case m.at == at:
			return m
		case m.at < at:
			if i == len(c.minutes)-1 {
				m = &minute{at: at, kinds: map[Kind]*Sum{}}
				c.minutes = append(c.minutes, m)
				return m
			}
			return c.minutes[i+1] // the next one stands for a minute that was empty till now
		}
	}
	if len(c.minutes) > 0 {
		return c.minutes[0]
	}
	m := &minute{at: at, kinds: map[Kind]*Sum{}}
	c.minutes = append(c.minutes, m)
	return m
}

// forget drops minutes that are too old, and the oldest while there is too much. The
// newest stays.
func (c *Counter) forget(newest *minute) {
	n := 0
	for n < len(c.minutes)-1 && (newest.at-c.minutes[n].at > int64(keep/Step) || c.total > maxTotal) {
		c.total -= len(c.minutes[n].kinds)
		n++
	}
	c.minutes = c.minutes[n:]
}

// Rows gives the sums of a zone from a time up to another, oldest first. A zero time
// is no bound.
func (c *Counter) Rows(zone string, from, until time.Time) []Row {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Row
	for _, m := range c.minutes {
		at := time.Unix(m.at*int64(Step.Seconds()), 0).UTC()
		// A minute counts from its end: what began in it may lie behind the bound.
		if !from.IsZero() && !at.Add(Step).After(from) || !until.IsZero() && !at.Before(until) {
			continue
		}
		for k, s := range m.kinds {
			if k.Zone == zone {
				out = append(out, Row{at, k, *s})
			}
		}
	}
	return out
}
