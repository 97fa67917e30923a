// Package tickets keeps the keys of TLS session tickets: the current one seals,
// those before and after it open, so that a visitor resumes across a change of
// keys, and on another machine whose clock is a little ahead.
package tickets

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Life is how long a key seals unless the configuration says otherwise. A ticket
// opens for one to two lives after that: within the day that Cloudflare and nginx's
// manual suggest for keys.
const Life = 12 * time.Hour

// KeySize is the length of a key (crypto/tls).
const KeySize = 32

// Keys are in the order in which crypto/tls wants them: the first one seals.
type Keys [][KeySize]byte

// Ring gives the keys of a time. Without secrets its keys are random, and a key
// that is over is forgotten. With secrets, which several machines may share, keys
// are worked out from secret and time. It is safe for concurrent use.
type Ring struct {
	mu      sync.Mutex
	life    time.Duration    // guarded by mu
	secrets [][]byte         // guarded by mu
	period  int64            // of random[1]; guarded by mu
	random  [3][KeySize]byte // previous, current, next; guarded by mu
}

// NewRing makes a ring of random keys.
func NewRing() *Ring {
	r := &Ring{life: Life}
	r.fresh(0)
	return r
}

func (r *Ring) fresh(from int) {
	for i := range r.random[from:] {
		_, _ = rand.Read(r.random[from+i][:]) // never fails
	}
}

// Use takes secrets and the life of a key from a configuration. Random keys stay
// for the next time that there are no secrets.
func (r *Ring) Use(secrets [][]byte, life time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = secrets
	if life != r.life {
		r.life, r.period = life, 0 // the current key begins a life of the new length
	}
}

// At are the keys of a time.
func (r *Ring) At(now time.Time) Keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	period := now.UnixNano() / int64(r.life)
	r.turn(period)
	if len(r.secrets) == 0 {
		return Keys{r.random[1], r.random[2], r.random[0]}
	}
	out := make(Keys, 0, 3*len(r.secrets))
	for _, s := range r.secrets {
		for _, p := range []int64{period, period + 1, period - 1} {
			out = append(out, derive(s, p))
		}
	}
	return out
}

// turn makes the random keys those of a period.
func (r *Ring) turn(period int64) {
	switch gone := period - r.period; {
	case r.period == 0 || gone == 0 || gone < 0: // first used, or the clock was put back
	case gone == 1:
		r.random[0], r.random[1] = r.random[1], r.random[2]
		r.fresh(2)
	default: // whatever tickets there were are too old
		r.fresh(0)
	}
	r.period = period
}

// derive works the key of a period out. HKDF (RFC 5869) cannot fail at this length.
func derive(secret []byte, period int64) (key [KeySize]byte) {
	info := binary.BigEndian.AppendUint64([]byte("originward session tickets "), uint64(period)) //nolint:gosec // a number of its own
	b, err := hkdf.Key(sha256.New, secret, nil, string(info), KeySize)
	if err == nil {
		copy(key[:], b)
	}
	return key
}

// AppendBinary appends the random keys for a successor of this program.
func (r *Ring) AppendBinary(b []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b = binary.BigEndian.AppendUint64(b, uint64(r.life))   //nolint:gosec // not negative
	b = binary.BigEndian.AppendUint64(b, uint64(r.period)) //nolint:gosec // not negative
	for _, k := range r.random {
		b = append(b, k[:]...)
	}
	return b, nil
}

var errForeign = errors.New("these are no session ticket keys of this program")

// UnmarshalBinary takes the random keys of a predecessor.
func (r *Ring) UnmarshalBinary(b []byte) error {
	if len(b) != 16+3*KeySize {
		return errForeign
	}
	life, period := time.Duration(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])) //nolint:gosec // as written above
	if life <= 0 || period < 0 {
		return errForeign
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if life != r.life {
		period = 0
	}
	r.period = period
	for i := range r.random {
		copy(r.random[i][:], b[16+i*KeySize:])
	}
	return nil
}
