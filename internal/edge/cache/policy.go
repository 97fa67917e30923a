package cache

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/originward/originward/internal/http1"
)

// Level is how much of a zone is kept.
type Level uint8

// The levels. The zero Level keeps nothing.
const (
	Off        Level = iota
	Standard         // paths with one of the default extensions
	Everything       // every GET that the origin does not forbid
)

// Settings are a zone's.
type Settings struct {
	Level         Level
	IgnoreQuery   bool           // one response for a path, whatever its query
	AlwaysOnline  bool           // an origin that fails is covered by what is kept, however old
	Banner        bool           // what covers says so, on HTML pages
	DefaultTTL    time.Duration  // for responses without a lifetime; 0 = by status, as documented
	ForcedTTL     *time.Duration // fresh for so long whatever the origin says, but for what is private; nil = as it says
	OnlyAsked     bool           // keep only what the origin gives a lifetime
	BypassCookies []string       // a request with one of these cookies is not answered from here
}

// extensions are kept at level Standard (cloudflare default-cache-behavior,
// read 2026-11-22), and robots.txt.
const extensions = ` 7z csv gif midi png tif zip avi doc gz mkv ppt tiff zst avif docx ico mp3 pptx ttf apk dmg iso mp4 ps webm
 bin ejs jar ogg rar webp bmp eot jpg otf svg woff bz2 eps jpeg pdf svgz woff2 class exe js pict swf xls css flac mid pls tar xlsx `

// defaultTTL is how long a response without a lifetime is fresh, by status;
// others are not kept (cloudflare configure-cache-status-code, read 2026-11-22).
var defaultTTL = map[int]time.Duration{
	200: 120 * time.Minute, 301: 120 * time.Minute, 302: 20 * time.Minute, 303: 20 * time.Minute, 404: 3 * time.Minute, 410: 3 * time.Minute,
}

var extensionSet = func() map[string]bool {
	m := map[string]bool{}
	for _, e := range strings.Fields(extensions) {
		m["."+e] = true
	}
	return m
}()

// Eligible tells whether a request may be answered from here at all. Others are
// DYNAMIC.
func (s *Settings) Eligible(method string, reqPath []byte, h *http1.Head) bool {
	if s.Level == Off || method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if s.Level == Standard {
		p := string(reqPath)
		if !extensionSet[strings.ToLower(path.Ext(p))] && p != "/robots.txt" {
			return false
		}
	}
	return true
}

// Bypassed tells that a cookie of the request asks for the origin.
func (s *Settings) Bypassed(h *http1.Head) bool {
	if len(s.BypassCookies) == 0 {
		return false
	}
	for v := range h.Values("Cookie") {
		for c := range bytes.SplitSeq(v, []byte(";")) {
			name, _, _ := bytes.Cut(bytes.TrimSpace(c), []byte("="))
			for _, b := range s.BypassCookies {
				if prefix, star := strings.CutSuffix(b, "*"); star && bytes.HasPrefix(name, []byte(prefix)) || string(name) == b {
					return true
				}
			}
		}
	}
	return false
}

// understood are the final statuses whose meaning for caches is known here. 206
// is not kept: a part of one representation answers few others.
func understood(status int) bool {
	return status >= 200 && status != 206 && status != 304 && status < 600
}

// lifetime is how long a response is fresh, and whether it may be kept.
// authorized tells that the request carried Authorization.
func (s *Settings) lifetime(h *http1.ResponseHead, authorized bool) (fresh time.Duration, c control, keep bool) {
	c = controlOf(&h.Head)
	switch {
	case !understood(h.Status), c.mustUnderstand && http.StatusText(h.Status) == "", c.noStore, c.private, h.Has("Set-Cookie"), varyAll(&h.Head):
		return 0, c, false
	case authorized && !c.public && c.sMaxAge < 0 && !c.mustRevalidate:
		return 0, c, false // RFC 9111 section 3.5
	}
	switch {
	case s.ForcedTTL != nil:
		fresh = *s.ForcedTTL
	case c.noCache:
		fresh = 0
	case c.sMaxAge >= 0:
		fresh = c.sMaxAge
	case c.maxAge >= 0:
		fresh = c.maxAge
	case h.Has("Expires"):
		fresh = expires(&h.Head)
	default:
		if !c.present && pragmaNoCache(&h.Head) {
			break
		}
		ttl, ok := defaultTTL[h.Status]
		if !ok || s.OnlyAsked {
			return 0, c, false
		}
		if s.DefaultTTL > 0 {
			ttl = s.DefaultTTL
		}
		fresh = ttl
	}
	// What is stale at once is worth keeping only where it can be asked after, or stand in for a failing origin.
	if fresh <= 0 && !h.Has("ETag") && !h.Has("Last-Modified") && !s.AlwaysOnline && c.ifError <= 0 && c.whileRevalidate <= 0 {
		return 0, c, false
	}
	return fresh, c, true
}

// expires is Expires less Date; a field that is no date means "expired".
func expires(h *http1.Head) time.Duration {
	at, ok := date(h.Get("Expires"))
	if !ok {
		return 0
	}
	from, ok := date(h.Get("Date"))
	if !ok {
		return 0
	}
	return max(0, at.Sub(from))
}

func pragmaNoCache(h *http1.Head) bool { return h.HasToken("Pragma", "no-cache") }

func varyAll(h *http1.Head) bool { return h.HasToken("Vary", "*") }

func date(v []byte) (time.Time, bool) {
	if len(v) == 0 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(string(v))
	return t, err == nil
}
