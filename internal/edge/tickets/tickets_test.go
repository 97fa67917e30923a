package tickets

import (
	"slices"
	"testing"
	"time"
)

var begin = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// opens tells whether what was sealed at one time opens at another.
func opens(sealer, opener *Ring, at, later time.Time) bool {
	key := sealer.At(at)[0]
	return slices.Contains(opener.At(later), key)
}

func TestRotation(t *testing.T) {
	for name, secrets := range map[string][][]byte{"random": nil, "secret": {[]byte("a secret that machines share")}} {
		t.Run(name, func(t *testing.T) {
			for _, tc := range []struct {
				after time.Duration
				want  bool
			}{{0, true}, {Life - time.Nanosecond, true}, {Life, true}, {2*Life - time.Nanosecond, true}, {2 * Life, false}, {9 * Life, false}} {
				r := NewRing()
				r.Use(secrets, Life)
				if got := opens(r, r, begin, begin.Add(tc.after)); got != tc.want {
					t.Errorf("after %v: opens %v, want %v", tc.after, got, tc.want)
				}
			}
			r := NewRing()
			r.Use(secrets, Life)
			next := r.At(begin)[1]
			if r.At(begin.Add(Life))[0] != next {
				t.Error("the key announced as next does not seal in the next period")
			}
		})
	}
}

// Machines with one secret open each other's tickets, also when a clock is ahead,
// and across a change of the secret.
func TestShared(t *testing.T) {
	old, fresh := []byte("the secret of yesterday"), []byte("the secret of tomorrow")
	a, b := NewRing(), NewRing()
	a.Use([][]byte{old}, Life)
	b.Use([][]byte{fresh, old}, Life)
	edge := begin.Add(Life)
	if !opens(a, b, edge.Add(time.Second), edge.Add(-time.Second)) {
		t.Error("a ticket of a machine whose clock is ahead is refused")
	}
	if opens(b, a, begin, begin) {
		t.Error("a machine opens tickets of a secret that it does not have")
	}
	if a.At(begin)[0] == b.At(begin)[0] {
		t.Error("both seal with one key although their first secrets differ")
	}
}

func TestHandedOver(t *testing.T) {
	a, b := NewRing(), NewRing()
	a.At(begin)
	raw, err := a.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	if a.At(begin.Add(Life))[0] != b.At(begin.Add(Life))[0] {
		t.Error("the successor seals with another key")
	}
	if !opens(a, b, begin.Add(Life), begin.Add(Life)) {
		t.Error("the successor does not open tickets of its predecessor")
	}
	if err := b.UnmarshalBinary(raw[1:]); err == nil {
		t.Error("keys cut short are taken")
	}
}
