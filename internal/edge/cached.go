package edge

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// caching is what a visit has to do with the cache. The zero caching has
// nothing to do with it.
type caching struct {
	set    *cache.Settings
	key    string
	status string        // CF-Cache-Status; empty = DYNAMIC
	age    time.Duration // of what is served from the cache; -1 = it comes from the origin
	leads  bool          // this visit fetches for the cache
	flight *cache.Flight // others wait for it; nil = nobody
	old    *cache.Entry  // what is asked after, or stands in; nil = none
	fill   *cache.Entry  // is filled by the way; nil = none
	large  bool          // it grew too large to be kept
	sent   time.Time
}

// openCache opens the cache as configured.
func openCache(c *config.Config, now func() time.Time, log *slog.Logger) (*cache.Store, error) {
	o := cache.Options{Memory: c.Cache.Memory, Object: c.Cache.Object, Now: now, Log: log}
	if c.Data != "" && c.Cache.Disk > 0 {
		o.Dir, o.Disk = filepath.Join(c.Data, "cache"), c.Cache.Disk
	}
	return cache.Open(o)
}

func cacheSettings(c *config.ZoneCache) *cache.Settings {
	if c == nil {
		return nil
	}
	s := &cache.Settings{Level: cache.Standard, IgnoreQuery: c.IgnoreQuery, AlwaysOnline: c.AlwaysOnline, Banner: c.Banner, DefaultTTL: c.DefaultTTL, BypassCookies: c.BypassCookies}
	if c.Everything {
		s.Level = cache.Everything
	}
	return s
}

// Purge forgets kept responses of a zone and tells of how many keys in memory;
// ok is false when there is no such zone.
func (e *Edge) Purge(zoneName string, p cache.Purge) (n int, ok bool) {
	if e.state.Load().routes.zones[zoneName] == nil {
		return 0, false
	}
	return e.cache.Purge(p, func(host string) bool { return host == zoneName || strings.HasSuffix(host, "."+zoneName) }), true
}

// edgePorts are the ports that the edge carries, and those of them that it never
// answers from the cache.
var edgePorts, _ = cdn.Ports(cdn.Originward)

// followFor bounds how long a visitor waits for another's fetch before it asks
// for itself: about as long as an origin may take to connect and think a little.
const followFor = 10 * time.Second

// lines are the fields that tell of the cache.
func (c *caching) lines(b []byte) []byte {
	if c.status == "" {
		return append(b, "CF-Cache-Status: DYNAMIC\r\n"...)
	}
	b = append(append(append(b, "CF-Cache-Status: "...), c.status...), "\r\n"...)
	if c.age >= 0 {
		b = strconv.AppendInt(append(b, "Age: "...), int64(c.age/time.Second), 10)
		b = append(b, "\r\n"...)
	}
	return b
}

// fromCache answers from the cache where it can, and prepares a fetch for it
// where the response may be kept.
func (v *visit) fromCache() bool {
	set := v.cacheSettings()
	switch {
	case set == nil, v.upgrade != nil, v.expect, v.body.Framing().Kind != http1.NoBody:
		return false
	case !set.Eligible(v.method, v.path, v.head), slices.Contains(edgePorts.Uncached, v.conn.local.Port()):
		return false
	}
	c := &v.cache
	c.set, c.age = set, -1
	if set.Bypassed(v.head) {
		c.status = "BYPASS"
		return false
	}
	req := v.cacheRequest()
	v.keyBuf = set.AppendKey(v.keyBuf[:0], &req)
	c.key = string(v.steered(v.keyBuf))
	store, now := v.edge.cache, v.edge.now()
	e := store.Get(c.key, v.head)
	switch {
	case e != nil && e.Fresh(now):
		v.serveKept(e, "HIT")
		return true
	case e != nil && e.MayServeWhile(now):
		v.refresh(e)
		v.serveKept(e, "UPDATING")
		return true
	}
	c.status = "MISS"
	if e != nil {
		c.status = "EXPIRED"
	}
	// A HEAD brings nothing to keep, and a range of what is not here no whole.
	if v.method != "GET" || v.head.GetID(http1.FieldRange) != nil && e == nil {
		return false
	}
	f, leads := store.Join(c.key)
	if !leads {
		return v.follow(f)
	}
	c.leads, c.flight, c.old, c.sent = true, f, e, now
	return false
}

// steered appends what rules changed of where the request goes: two visitors
// whom a rule sends to different pages do not share one.
func (v *visit) steered(key []byte) []byte {
	for _, s := range [...]string{string(v.rewritten), v.routing.Host, v.routing.HostHeader} {
		if s != "" {
			key = append(append(key, '\n'), s...)
		}
	}
	return key
}

func (v *visit) cacheRequest() cache.Request {
	host := v.host
	if i := bytes.LastIndexByte(v.authority, ':'); i > 0 && !bytes.HasSuffix(v.authority, []byte("]")) {
		host = bytes.ToLower(v.authority) // a port of its own
	}
	return cache.Request{Scheme: v.conn.scheme(), Host: host, Path: v.path, Query: v.query, Method: v.method, Head: v.head}
}

// follow waits for another visitor's fetch. When that keeps nothing, or takes
// too long, this visit asks for itself.
func (v *visit) follow(f *cache.Flight) bool {
	t := time.NewTimer(followFor)
	defer t.Stop()
	select {
	case <-f.Done():
	case <-t.C:
		return false
	case <-v.ctx.Done():
		return false
	}
	e := f.Entry()
	if e == nil || !e.Matches(v.head) {
		return false
	}
	v.serveKept(e, "HIT")
	return true
}

// conditional tells the fields that ask for less than the whole response.
func conditional(id http1.FieldID) bool {
	switch id {
	case http1.FieldIfMatch, http1.FieldIfNoneMatch, http1.FieldIfModifiedSince, http1.FieldIfUnmodifiedSince, http1.FieldIfRange, http1.FieldRange:
		return true
	}
	return false
}

// ask appends the conditions that ask after the kept response.
func (c *caching) ask(b []byte) []byte {
	if c.old == nil {
		return b
	}
	etag, modified := c.old.Validators()
	if etag != nil {
		b = http1.AppendHeader(b, "If-None-Match", string(etag))
	}
	if modified != nil {
		b = http1.AppendHeader(b, "If-Modified-Since", string(modified))
	}
	return b
}

// settle ends a flight that brought nothing.
func (c *caching) settle(s *cache.Store) {
	if c.leads && c.flight != nil {
		s.Abandon(c.flight)
	}
}

// failing are the answers that a kept response may stand in for (RFC 5861
// section 4).
func failing(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504 || status >= 520 && status <= 530
}

// covered answers a fault with what is kept, where that is allowed.
func (v *visit) covered(f *originward.Fault) bool {
	old := v.cache.old
	if old == nil || f.Phase == originward.PhaseRequest || !old.MayServeOnError(v.cache.set, v.edge.now()) {
		return false
	}
	v.edge.cache.Abandon(v.cache.flight)
	v.serveKept(old, "STALE")
	return true
}

// standsIn answers from what is kept when the origin said that it holds, or
// failed where that is allowed to be covered.
func (v *visit) standsIn(c *exchange.Conn, h *http1.ResponseHead) bool {
	k := &v.cache
	switch {
	case h.Status == 304:
		v.renew(c, h)
	case failing(h.Status) && k.old.MayServeOnError(k.set, v.edge.now()):
		_ = c.Close() // what it says of its failure is not passed on
		v.edge.cache.Abandon(k.flight)
		v.serveKept(k.old, "STALE")
	default:
		return false
	}
	return true
}

// keep deals with the response to a fetch for the cache; false when it is to be
// passed on as any other.
func (v *visit) keep(c *exchange.Conn, h *http1.ResponseHead) bool {
	store, k := v.edge.cache, &v.cache
	e := store.Keep(k.flight, k.set, k.key, v.head, h, k.sent)
	if e == nil {
		k.status = "BYPASS"
		return false
	}
	if h.ContentLength < 0 {
		k.fill = e
		v.content.tap = v.tapped
		return false
	}
	v.fillAndServe(c, e)
	return true
}

// renew goes on with what is kept: the origin said that it still holds.
func (v *visit) renew(c *exchange.Conn, h *http1.ResponseHead) {
	k := &v.cache
	e := v.edge.cache.Renew(k.old, k.set, v.head, h, k.sent)
	c.Release()
	if e == nil { // to be kept no longer, but true this once
		v.edge.cache.Abandon(k.flight)
		e = k.old
	} else {
		v.edge.cache.Renewed(k.flight, e)
	}
	v.serveKept(e, "REVALIDATED")
}

// tapped keeps a piece of a body of unknown length on its way to the visitor.
func (v *visit) tapped(p []byte) {
	k := &v.cache
	if k.fill == nil || k.large {
		return
	}
	_, _ = k.fill.Body.Write(p) // memory does not fail
	k.large = !v.edge.cache.Room(k.fill)
}

// passed ends the keeping of a response that went by the visitor; err is how
// passing it on ended.
func (c *caching) passed(s *cache.Store, err error) {
	if c.fill == nil {
		return
	}
	if err != nil || c.large {
		s.Failed(c.flight, c.fill)
	} else {
		s.Whole(c.flight, c.fill)
	}
}

// fillAndServe reads the body into the cache as fast as the origin gives it,
// and serves the visitor from there beside it: a slow visitor holds nobody up.
func (v *visit) fillAndServe(c *exchange.Conn, e *cache.Entry) {
	store, flight := v.edge.cache, v.cache.flight
	status := v.cache.status
	if p := c.Body().Buffered(); int64(len(p)) == e.Head.ContentLength { // all of it is here
		if v.readAll(c, e) == nil {
			store.Whole(flight, e)
			c.Release()
		} else {
			store.Failed(flight, e)
			_ = c.Close()
		}
		v.serveKept(e, status)
		return
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		v.serveKept(e, status)
	}()
	if err := v.readAll(c, e); err != nil {
		store.Failed(flight, e)
		<-served
		_ = c.Close() // what failed is known
		if f := (*originward.Fault)(nil); errors.As(err, &f) {
			v.fault = f
		}
		v.cut = true
		return
	}
	store.Whole(flight, e)
	c.Release()
	<-served
}

func (v *visit) readAll(c *exchange.Conn, e *cache.Entry) error {
	body := c.Body()
	for {
		p, err := body.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		_, _ = e.Body.Write(p) // memory does not fail
	}
}

// changed forgets what a request that changes things made out of date: its own
// URL and those that the answer names, on the same host.
func (v *visit) changed(h *http1.ResponseHead) {
	if v.zone.cache == nil || h.Status >= 400 || safe(v.method) {
		return
	}
	forget := func(path, query []byte) {
		req := v.cacheRequest()
		req.Path, req.Query, req.Head = path, query, &http1.Head{}
		v.keyBuf = v.zone.cache.AppendKey(v.keyBuf[:0], &req)
		v.edge.cache.Forget(string(v.keyBuf))
	}
	forget(v.path, v.query)
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := url.Parse(string(h.Get(name)))
		if err != nil || u.Path == "" || u.Host != "" && !strings.EqualFold(u.Hostname(), string(v.host)) {
			continue
		}
		base := &url.URL{Path: string(v.path)}
		u = base.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery})
		var query []byte
		if u.RawQuery != "" {
			query = []byte(u.RawQuery)
		}
		forget([]byte(u.EscapedPath()), query)
	}
}

// safe tells methods that change nothing (RFC 9110 section 9.2.1).
func safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// serveKept answers from an entry.
func (v *visit) serveKept(e *cache.Entry, status string) {
	k := &v.cache
	k.status = status
	if status != "MISS" && status != "EXPIRED" || e.Aged {
		k.age = e.Age(v.edge.now())
	}
	req := cache.Request{Method: v.method, Head: v.head}
	a := e.AnswerTo(&req)
	coding := e.Head.GetID(http1.FieldContentEncoding)
	plain := coding != nil && decodable(coding) && !accepts(v.head, string(bytes.ToLower(coding)))
	if plain && (a.Status == 206 || a.Status == 416) {
		a = cache.Answer{Status: e.Head.Status, Length: a.Total, Total: a.Total} // ranges are of the coded bytes
	}
	if a.Status == 416 {
		v.reply(416, nil, [2]string{"Content-Range", "bytes */" + strconv.FormatInt(a.Total, 10)})
		return
	}
	h := e.Head
	h.Status, v.status = a.Status, a.Status
	v.answered(a.Status, &h.Head, 0)
	c := &v.content
	*c = content{kept: e.Body.Read(a.From, a.Length, v.ctx.Done()), buf: c.buf, frame: http1.Framing{Kind: http1.ChunkedBody}}
	switch a.Status {
	case 304:
		h.Reason, h.Fields = nil, e.FieldsOf304()
		c.frame, h.ContentLength = http1.Framing{}, -1
	case 206:
		h.Reason = nil
		value := "bytes " + strconv.FormatInt(a.From, 10) + "-" + strconv.FormatInt(a.From+a.Length-1, 10) + "/" + strconv.FormatInt(a.Total, 10)
		h.Fields = append(h.Fields[:len(h.Fields):len(h.Fields)], http1.Field{Name: []byte("Content-Range"), Value: []byte(value)})
		c.frame = http1.Framing{Kind: http1.LengthBody, Length: a.Length}
	default:
		if n := max(a.Length, e.Head.ContentLength); n >= 0 {
			c.frame = http1.Framing{Kind: http1.LengthBody, Length: n}
			h.ContentLength = n
		}
	}
	var err error
	switch {
	case v.bannered(e, a):
		err = v.forwardBannered(&h, c, e)
	case plain && a.Status != 304:
		err = v.decode(&h, c, coding)
	default:
		if v.method == "HEAD" {
			c.frame = http1.Framing{}
		}
		err = v.out.forward(&h, c)
	}
	if err != nil {
		v.cut = true
	}
}
