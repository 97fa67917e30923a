package pool

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/http1"
)

// Cookie is the name of the cookie of sessions (cloudflare session-affinity).
const Cookie = "__cflb"

// A cookie's value: origin, end of the session in Unix seconds, and the first half
// of an HMAC-SHA256 over both and the balancer's id.
const (
	claimSize = 8 + 8
	macSize   = 16
)

var encoding = base64.RawURLEncoding.Strict()

// Session is the session that a request came with.
type Session struct {
	Origin *Origin // nil = there is none, or it has ended
	key    uint64  // of a session by header; 0 = no headers for one
}

// Session finds the session of a request; it has ended when its time is over, its
// origin is unhealthy, or was disabled longer ago than the balancer drains.
func (b *Balancer) Session(h *http1.Head, now time.Time) (s Session) {
	switch b.Affinity.Kind {
	case config.AffinityCookie, config.AffinityIPCookie:
		eachCookie(h, func(name, value []byte) {
			if s.Origin == nil && string(name) == Cookie {
				s.Origin = b.claimed(value, now)
			}
		})
	case config.AffinityHeader:
		var ok bool
		if s.key, ok = b.headerKey(h); ok {
			s.Origin = b.byID[b.registry.sessions.find(s.key, now, b.Affinity.TTL)]
		}
	}
	if s.Origin != nil && !b.keeps(s.Origin, now) {
		s.Origin = nil
	}
	return s
}

// keeps tells that an origin goes on with the sessions it has.
func (b *Balancer) keeps(o *Origin, now time.Time) bool {
	if o.Enabled {
		return o.Pool.Enabled && o.Up()
	}
	since := o.Disabled()
	return b.Affinity.Drain > 0 && !since.IsZero() && now.Before(since.Add(b.Affinity.Drain)) && o.Health.Status() != Down
}

// claimed reads a cookie's value; nil = it is none of ours, or over.
func (b *Balancer) claimed(value []byte, now time.Time) *Origin {
	var raw [claimSize + macSize]byte
	if encoding.DecodedLen(len(value)) != len(raw) {
		return nil
	}
	if _, err := encoding.Decode(raw[:], value); err != nil {
		return nil
	}
	mac := b.sign(raw[:claimSize])
	if !hmac.Equal(mac[:macSize], raw[claimSize:]) {
		return nil
	}
	if now.Unix() >= int64(binary.BigEndian.Uint64(raw[8:])) { //nolint:gosec // our own
		return nil
	}
	return b.byID[binary.BigEndian.Uint64(raw[:])]
}

func (b *Balancer) sign(claim []byte) []byte {
	m := hmac.New(sha256.New, b.registry.secret)
	m.Write([]byte(b.ID))
	m.Write(claim)
	return m.Sum(nil)
}

// SetCookie is the value of the Set-Cookie field that begins a session with an
// origin; empty = sessions are not kept by cookie. always tells that the zone
// redirects to https.
func (b *Balancer) SetCookie(o *Origin, always bool, now time.Time) string {
	a := &b.Affinity
	if a.Kind != config.AffinityCookie && a.Kind != config.AffinityIPCookie {
		return ""
	}
	end := now.Add(a.TTL)
	raw := make([]byte, claimSize, claimSize+macSize)
	binary.BigEndian.PutUint64(raw, o.id)
	binary.BigEndian.PutUint64(raw[8:], uint64(end.Unix())) //nolint:gosec // after 1970
	raw = append(raw, b.sign(raw)[:macSize]...)
	var s strings.Builder
	s.WriteString(Cookie + "=" + encoding.EncodeToString(raw))
	s.WriteString("; Path=/; Max-Age=" + strconv.Itoa(int(a.TTL/time.Second)))
	s.WriteString("; Expires=" + end.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "; HttpOnly")
	site, secure := a.SameSite, a.Secure == "Always" || a.Secure != "Never" && always
	if site == "Auto" || site == "" { // API: Lax, or None where always https
		site = "Lax"
		if always {
			site = "None"
		}
	}
	s.WriteString("; SameSite=" + site)
	if secure {
		s.WriteString("; Secure")
	}
	return s.String()
}

// Keep notes the session of a request that went to an origin: by header it is kept
// here, for as long as it is used.
func (b *Balancer) Keep(s Session, o *Origin, now time.Time) {
	if s.key != 0 {
		b.registry.sessions.keep(s.key, o.id, now)
	}
}

// eachCookie calls f with each cookie of a request.
func eachCookie(h *http1.Head, f func(name, value []byte)) {
	for i := range h.Fields {
		if !bytes.EqualFold(h.Fields[i].Name, cookieField) {
			continue
		}
		for rest := h.Fields[i].Value; len(rest) > 0; {
			var one []byte
			one, rest, _ = bytes.Cut(rest, []byte{';'})
			name, value, _ := bytes.Cut(bytes.TrimSpace(one), []byte{'='})
			f(name, value)
		}
	}
}

var cookieField = []byte("Cookie")
