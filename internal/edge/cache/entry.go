package cache

import (
	"bytes"
	"strings"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/http1"
)

// Entry is a kept response. It is never changed once it is in the store; a
// revalidation makes a new one over the same body.
type Entry struct {
	Key  string
	Head http1.ResponseHead // in memory of its own; without fields of the connection
	Body *Body

	vary    string // names, lower case
	varied  string // the request's values of them
	tags    []string
	control control
	fresh   time.Duration
	born    time.Time     // when its age was nought, by our clock
	Aged    bool          // another cache had kept it before
	used    atomic.Uint32 // how often it answered, for admission to disk
}

// newEntry keeps a response's head. sent and got are when the request went out
// and the head came in (RFC 9111 section 4.2.3).
func newEntry(s *Settings, key string, req *http1.Head, h *http1.ResponseHead, sent, got time.Time) (*Entry, bool) {
	fresh, c, keep := s.lifetime(h, req.Has("Authorization"))
	if !keep {
		return nil, false
	}
	e := &Entry{Key: key, Head: cloneHead(h), Body: &Body{expect: h.ContentLength}, control: c, fresh: fresh, vary: varyOf(&h.Head)}
	e.varied = varied(e.vary, req)
	e.born, e.Aged = bornAt(&h.Head, sent, got), h.GetID(http1.FieldAge) != nil
	for v := range h.Values("Cache-Tag") {
		for t := range bytes.SplitSeq(v, []byte(",")) {
			if t = bytes.TrimSpace(t); len(t) > 0 && len(e.tags) < maxTags {
				e.tags = append(e.tags, strings.ToLower(string(t)))
			}
		}
	}
	return e, true
}

// maxTags bounds the tags of one response: a field of 16 KB holds about as many
// short ones (cloudflare purge-by-tags: at most 1,000).
const maxTags = 1000

// bornAt is when the response's age was nought: by its own Date and Age, never
// later than we have it.
func bornAt(h *http1.Head, sent, got time.Time) time.Time {
	age := got.Sub(sent) // the response may be as old as its travel
	for v := range h.Values("Age") {
		d, ok := ageOf(v)
		if !ok {
			return got.Add(-forever) // an age that cannot be read is not a young one
		}
		age = max(age, got.Sub(sent)+d)
	}
	if d, ok := date(h.GetID(http1.FieldDate)); ok {
		age = max(age, got.Sub(d))
	}
	return got.Add(-min(age, forever))
}

// ageOf reads Age, which is one number.
func ageOf(v []byte) (time.Duration, bool) {
	v = bytes.TrimSpace(v)
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	return seconds(v), len(v) > 0
}

// cloneHead copies a head out of its reader's buffer, without the fields that
// concern the connection alone.
func cloneHead(h *http1.ResponseHead) http1.ResponseHead {
	size := len(h.Reason)
	for i := range h.Fields {
		size += len(h.Fields[i].Name) + len(h.Fields[i].Value)
	}
	mem := make([]byte, 0, size)
	keep := func(p []byte) []byte {
		n := len(mem)
		mem = append(mem, p...)
		return mem[n:len(mem):len(mem)]
	}
	out := http1.ResponseHead{Status: h.Status, Reason: keep(h.Reason)}
	out.Head = http1.Head{Minor: h.Minor, ContentLength: h.ContentLength, Framing: h.Framing}
	out.Fields = make([]http1.Field, 0, len(h.Fields))
	for _, f := range h.Fields {
		if f.Hop || f.ID == http1.FieldAge || f.ID == http1.FieldTransferEncoding {
			continue
		}
		f.Name, f.Value = keep(f.Name), keep(f.Value)
		out.Fields = append(out.Fields, f)
	}
	return out
}

// Age is how old the response is.
func (e *Entry) Age(now time.Time) time.Duration { return max(0, now.Sub(e.born)) }

// Fresh tells that it can be used without asking.
func (e *Entry) Fresh(now time.Time) bool { return e.fresh > e.Age(now) }

// stale is for how long it has not been fresh.
func (e *Entry) stale(now time.Time) time.Duration { return e.Age(now) - e.fresh }

// MayServeWhile tells that it may be used once more while a new one is fetched
// (RFC 5861 section 3).
func (e *Entry) MayServeWhile(now time.Time) bool {
	return e.mayBeStale() && e.control.whileRevalidate > e.stale(now)
}

// MayServeOnError tells that it may stand in for an origin that fails (RFC 5861
// section 4), or, with Always Online, in any case but the origin's own veto.
func (e *Entry) MayServeOnError(s *Settings, now time.Time) bool {
	if !e.mayBeStale() {
		return false
	}
	return s.AlwaysOnline || e.control.ifError > e.stale(now)
}

// mayBeStale is the origin's word on stale use (RFC 9111 section 4.2.4);
// s-maxage forbids it like proxy-revalidate does.
func (e *Entry) mayBeStale() bool {
	c := &e.control
	return !c.mustRevalidate && !c.proxyRevalidate && !c.noCache
}

// Matches tells that the entry answers this request by its Vary.
func (e *Entry) Matches(h *http1.Head) bool { return e.vary == "" || varied(e.vary, h) == e.varied }

// Validators are the fields that ask the origin whether the entry still holds;
// nil where it cannot be asked.
func (e *Entry) Validators() (etag, modified []byte) {
	return e.Head.GetID(http1.FieldETag), e.Head.GetID(http1.FieldLastModified)
}

// renewed is the entry after the origin said that it still holds (RFC 9111
// section 4.3.4): its fields with those of the 304 in their place.
func (e *Entry) renewed(s *Settings, req *http1.Head, h *http1.ResponseHead, sent, got time.Time) (*Entry, bool) {
	merged := e.Head
	merged.Fields = nil
	news := cloneHead(h)
	for _, f := range e.Head.Fields {
		if !replaces(&news, &f) {
			merged.Fields = append(merged.Fields, f)
		}
	}
	for _, f := range news.Fields {
		if renewable(&f) {
			merged.Fields = append(merged.Fields, f)
		}
	}
	// The Age of the 304 counts, not that of the old response.
	for i := range h.Fields {
		if h.Fields[i].ID == http1.FieldAge {
			merged.Fields = append(merged.Fields, h.Fields[i])
		}
	}
	n, ok := newEntry(s, e.Key, req, &merged, sent, got)
	if !ok {
		return nil, false
	}
	n.Body = e.Body
	n.varied = e.varied
	return n, true
}

// renewable tells that a field of a 304 replaces the kept one: all but those
// that describe the body that did not come.
func renewable(f *http1.Field) bool {
	switch f.ID {
	case http1.FieldContentLength, http1.FieldContentEncoding, http1.FieldTransferEncoding, http1.FieldETag:
		return false
	}
	name := strings.ToLower(string(f.Name))
	return name != "content-md5" && name != "content-range"
}

func replaces(news *http1.ResponseHead, f *http1.Field) bool {
	return renewable(f) && news.Has(string(f.Name))
}

// FieldsOf304 are the fields that a 304 repeats: all but those that describe a
// body.
func (e *Entry) FieldsOf304() []http1.Field {
	out := make([]http1.Field, 0, len(e.Head.Fields))
	for i := range e.Head.Fields {
		if f := &e.Head.Fields[i]; renewable(f) || f.ID == http1.FieldETag {
			out = append(out, *f)
		}
	}
	return out
}

// weight is what the entry costs in memory, roughly.
func (e *Entry) weight() int64 {
	n, _ := e.Body.Size()
	for i := range e.Head.Fields {
		n += int64(len(e.Head.Fields[i].Name) + len(e.Head.Fields[i].Value) + 64)
	}
	return n + int64(len(e.Key)+len(e.varied)) + 256
}
