package edge

import (
	"context"
	"io"

	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/ray"
	"github.com/originward/originward/internal/http1"
)

// refresh fetches a response anew beside the visitor, who has been given the
// stale one. One at a time for a key.
func (v *visit) refresh(e *cache.Entry) {
	f, leads := v.edge.cache.Join(v.cache.key)
	if !leads || f == nil {
		return
	}
	b := v.aside()
	b.cache = caching{set: v.cache.set, key: v.cache.key, age: -1, leads: true, flight: f, old: e, sent: v.edge.now()}
	v.edge.work.Go(func() {
		b.fromOrigin()
		b.cache.settle(b.edge.cache)
		b.edge.records.add(b)
		b.measureOrigin(b.meter(), b.flight.shard)
	})
}

// aside is a visit of the edge's own for the same request: it shares nothing
// with this one that is reused, and nobody reads its answer.
func (v *visit) aside() *visit {
	b := newVisit()
	info := *v.conn
	b.edge, b.conn, b.out, b.st = v.edge, &info, nobody{b}, v.st
	b.ctx = context.Background()
	b.ray, b.began = ray.New(), v.edge.now()
	b.ray.AppendWithPlace(b.rayID[:0], b.st.cfg.Colo)
	b.request = request{proto: v.proto, method: "GET", zone: v.zone, site: v.site, routing: v.routing, body: noBody{}}
	b.authority, b.target = append([]byte(nil), v.authority...), append([]byte(nil), v.target...)
	b.path, b.query = append([]byte(nil), v.path...), append([]byte(nil), v.query...)
	b.setHost(v.host)
	h := &http1.Head{ContentLength: -1}
	for _, f := range v.head.Fields {
		f.Name, f.Value = append([]byte(nil), f.Name...), append([]byte(nil), f.Value...)
		h.Fields = append(h.Fields, f)
	}
	b.head = h
	b.rewritten = append([]byte(nil), v.rewritten...)
	if len(b.rewritten) == 0 {
		b.rewritten = nil
	}
	// What rules decided holds here, too, and it is no request of a visitor's to be counted.
	b.settings, b.ruling.caching, b.counted = v.settings, v.ruling.caching, true
	if set := &v.zone.rules; len(set.RequestHeaders) > 0 {
		b.describe()
		b.rule.Rewrite(b.rewritten)
		set.EditRequest(&b.rule, &b.toOrigin)
	}
	return b
}

// nobody takes an answer that no visitor waits for.
type nobody struct{ v *visit }

func (nobody) interim(*http1.ResponseHead) error { return nil }

func (nobody) own(*answerHead, []byte) error { return nil }

func (nobody) forward(_ *http1.ResponseHead, c *content) error {
	for {
		if _, err := c.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// noBody is the body of a request without one.
type noBody struct{}

func (noBody) Framing() http1.Framing           { return http1.Framing{} }
func (noBody) WriteTo(io.Writer) (int64, error) { return 0, nil }
func (noBody) Trailers() []http1.Field          { return nil }
