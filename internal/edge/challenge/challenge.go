// Package challenge makes visitors' programs work before they pass: a proof of
// work that a browser does by itself in a moment, and a signed cookie that says it was
// done.
//
// What it shows is that a program ran the page's script and spent the time. It
// does not show that there is a person: it makes floods dear and turns away clients
// without scripts, no more.
package challenge

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// Bits is the work: 2^16 digests on average, some tenths of a second in a browser.
	Bits = 16
	// Path is where solutions go, on every site.
	Path = "/cdn-cgi/challenge"
	// CookieName is the clearance's.
	CookieName = "ow_clearance"
	// Lifetime of a clearance (Challenge Passage, the default of 30 minutes).
	Lifetime = 30 * time.Minute
	// patience is how long a challenge can be answered.
	patience = 5 * time.Minute
)

// Visitor is whom a challenge and its clearance belong to: they cannot be handed on.
type Visitor struct {
	Zone  string
	Addr  netip.Addr
	Agent []byte
}

// Keeper signs and checks. It is safe for concurrent use.
type Keeper struct{ key [32]byte }

// New makes a keeper with a key of its own.
func New() *Keeper {
	k := &Keeper{}
	_, _ = rand.Read(k.key[:]) // never fails (crypto/rand)
	return k
}

// FromKey makes a keeper with a given key of 32 bytes; false for any other length.
func FromKey(key []byte) (*Keeper, bool) {
	k := &Keeper{}
	return k, copy(k.key[:], key) == len(k.key) && len(key) == len(k.key)
}

// Key is the keeper's, to be kept over a restart.
func (k *Keeper) Key() []byte { return k.key[:] }

// sign binds a text to a purpose, a visitor and an end.
func (k *Keeper) sign(purpose string, v Visitor, until int64, salt string) string {
	h := hmac.New(sha256.New, k.key[:])
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte(purpose))
	part([]byte(v.Zone))
	part(v.Addr.Unmap().AsSlice())
	part(v.Agent)
	part(strconv.AppendInt(nil, until, 10))
	part([]byte(salt))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// open checks a signed text "until.salt.signature".
func (k *Keeper) open(purpose, text string, v Visitor, now time.Time) (end time.Time, ok bool) {
	until, rest, dotted := strings.Cut(text, ".")
	salt, mac, ok := strings.Cut(rest, ".")
	if !ok || !dotted || len(text) > 200 {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(until, 10, 64)
	if err != nil || now.Unix() > n {
		return time.Time{}, false
	}
	return time.Unix(n, 0), hmac.Equal([]byte(mac), []byte(k.sign(purpose, v, n, salt)))
}

func (k *Keeper) seal(purpose string, v Visitor, until time.Time) string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	salt := base64.RawURLEncoding.EncodeToString(b[:])
	return strconv.FormatInt(until.Unix(), 10) + "." + salt + "." + k.sign(purpose, v, until.Unix(), salt)
}

// Token is a new challenge for a visitor.
func (k *Keeper) Token(v Visitor, now time.Time) string {
	return k.seal("challenge", v, now.Add(patience))
}

// Solved tells whether an answer solves a challenge of this visitor's.
func (k *Keeper) Solved(token, answer string, v Visitor, now time.Time) bool {
	if _, ok := k.open("challenge", token, v, now); !ok || len(answer) > 20 {
		return false
	}
	sum := sha256.Sum256([]byte(token + ":" + answer))
	return binary.BigEndian.Uint32(sum[:])>>(32-Bits) == 0
}

// Clearance is the cookie's value for a visitor who solved a challenge.
func (k *Keeper) Clearance(v Visitor, now time.Time) string {
	return k.seal("clearance", v, now.Add(Lifetime))
}

// Cleared tells whether a cookie's value is a clearance of this visitor's, and when it
// was given, to the second.
func (k *Keeper) Cleared(value string, v Visitor, now time.Time) (given time.Time, ok bool) {
	end, ok := k.open("clearance", value, v, now)
	if !ok {
		return time.Time{}, false
	}
	return end.Add(-Lifetime), true
}
