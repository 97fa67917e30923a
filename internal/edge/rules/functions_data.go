package rules

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
)

// maxJSON bounds the document that a rule looks into.
const maxJSON = 128 << 10

// lookupJSON walks a document along keys and positions.
func lookupJSON(doc []byte, path []operand) (json.RawMessage, bool) {
	if len(doc) > maxJSON {
		return nil, false
	}
	at := json.RawMessage(doc)
	for i := range path {
		if path[i].kind == kindString {
			var m map[string]json.RawMessage
			if json.Unmarshal(at, &m) != nil {
				return nil, false
			}
			v, ok := m[path[i].text]
			if !ok {
				return nil, false
			}
			at = v
			continue
		}
		var l []json.RawMessage
		n := path[i].number
		if json.Unmarshal(at, &l) != nil || n < 0 || n >= int64(len(l)) {
			return nil, false
		}
		at = l[n]
	}
	return at, true
}

func lookupString(a []operand) (operand, string) {
	path := a[1:]
	return mapText(func(doc []byte) []byte {
		raw, ok := lookupJSON(doc, path)
		var s *string
		if !ok || json.Unmarshal(raw, &s) != nil || s == nil {
			return nil
		}
		return []byte(*s)
	})(a)
}

func lookupInteger(a []operand) (operand, string) {
	s, path := a[0].s, a[1:]
	return intOf(func(r *Request) (int64, bool) {
		raw, ok := lookupJSON(s(r), path)
		if !ok {
			return 0, false
		}
		n, err := strconv.ParseInt(string(raw), 10, 64) // 42.0 is no plain integer
		return n, err == nil
	}), ""
}

// The end of a MessageMAC: ten digits of a UNIX time, a hyphen, and the base64 of
// 32 bytes (functions, HMAC validation).
const (
	stampDigits = 10
	macLength   = 43
)

// timedHMAC checks message, separator, time and code in one text.
func timedHMAC(a []operand) (operand, string) {
	key, message, ttl, now := []byte(a[0].text), a[1].s, a[2].number, a[3].i
	var separator int64
	urlSafe := false
	if len(a) > 4 {
		separator = a[4].number
	}
	if len(a) > 5 {
		if urlSafe = a[5].text == "s"; !urlSafe && a[5].text != "" {
			return operand{}, `the flags of is_timed_hmac_valid_v0() are "s"`
		}
	}
	if ttl < 0 || separator < 0 {
		return operand{}, "lifetime and length of the separator must not be negative"
	}
	return boolOf(func(r *Request) bool {
		t, ok := now(r)
		return ok && validHMAC(key, message(r), ttl, t, separator, urlSafe)
	}), ""
}

func validHMAC(key, text []byte, ttl, now, separator int64, urlSafe bool) bool {
	// The hyphen before the code is the last one that has ten digits before it: a
	// URL-safe code may hold hyphens itself.
	dash := -1
	for i := len(text) - macLength - 1; i >= stampDigits; i-- {
		if text[i] == '-' && allDigits(text[i-stampDigits:i]) {
			dash = i
			break
		}
	}
	if dash < 0 {
		return false
	}
	stamp := text[dash-stampDigits : dash]
	head := int64(dash) - stampDigits - separator
	if head < 1 {
		return false
	}
	issued, err := strconv.ParseInt(string(stamp), 10, 64)
	if err != nil || now > issued+ttl {
		return false
	}
	given, ok := decodeMAC(string(text[dash+1:]), urlSafe)
	if !ok {
		return false
	}
	h := hmac.New(sha256.New, key)
	h.Write(text[:head])
	h.Write(stamp)
	return hmac.Equal(h.Sum(nil), given)
}

func decodeMAC(s string, urlSafe bool) ([]byte, bool) {
	if urlSafe {
		b, err := base64.RawURLEncoding.DecodeString(s)
		return b, err == nil
	}
	s, err := url.QueryUnescape(s)
	if err != nil {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
