package acme

import "time"

// Expiries tells until when the newest certificate of each name holds; names that
// have none yet are left out.
func (m *Manager) Expiries() map[string]time.Time {
	out := map[string]time.Time{}
	g := m.current()
	if g == nil {
		return out
	}
	m.mu.Lock()
	names := make([]string, 0, len(g.names))
	for n := range g.names {
		names = append(names, n)
	}
	m.mu.Unlock()
	for _, n := range names {
		for _, c := range g.cache.AllMatchingCertificates(n) {
			if c.Leaf != nil && c.Leaf.NotAfter.After(out[n]) {
				out[n] = c.Leaf.NotAfter
			}
		}
	}
	return out
}
