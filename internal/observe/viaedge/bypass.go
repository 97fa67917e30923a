package viaedge

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// bypassed is a path that no cache can hold: with a query of its own.
func bypassed(path string) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "originward=" + hex.EncodeToString(b[:])
}
