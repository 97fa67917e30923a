// Package ray makes and reads ray IDs: sixteen hexadecimal digits that name one
// request at the edge, followed in headers by the three letters of the place
// (cloudflare-ray-id: "230b030023ae2822-SJC").
package ray

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// ID is a ray without its place. The zero ID is none.
type ID uint64

// New returns a new ray. Rays are random: not secret, and unique for all that
// one edge keeps.
func New() ID {
	for {
		if id := ID(rand.Uint64()); id != 0 {
			return id
		}
	}
}

const digits = "0123456789abcdef"

// Append appends the sixteen digits.
func (id ID) Append(b []byte) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[id>>shift&15])
	}
	return b
}

// AppendWithPlace appends the header's form, digits and place.
func (id ID) AppendWithPlace(b []byte, colo string) []byte {
	b = append(id.Append(b), '-')
	return append(b, colo...)
}

// String is the sixteen digits.
func (id ID) String() string { return string(id.Append(make([]byte, 0, 16))) }

// Parse reads a ray with or without its place, in any case.
func Parse(s string) (ID, error) {
	hex, _, _ := strings.Cut(s, "-")
	if len(hex) != 16 {
		return 0, fmt.Errorf("ray %.40q: a ray is 16 hexadecimal digits, with or without -PLACE", s)
	}
	var id ID
	for i := range len(hex) {
		d := strings.IndexByte(digits, hex[i]|0x20)
		if d < 0 || hex[i] < '0' {
			return 0, fmt.Errorf("ray %.40q: %q is no hexadecimal digit", s, hex[i])
		}
		id = id<<4 | ID(d)
	}
	return id, nil
}
