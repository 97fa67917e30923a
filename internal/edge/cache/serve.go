package cache

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/http1"
)

// Answer is how an entry answers a request.
type Answer struct {
	Status int   // 200 or what was kept, 304, 206, 416
	From   int64 // first byte
	Length int64 // bytes; -1 = to the end, however long that is
	Total  int64 // whole length; -1 = not known yet
}

// AnswerTo works out what of an entry answers a request: conditions first, then
// a range (RFC 9110 sections 13.2.2 and 14.2). A body that still grows has no
// ranges.
func (e *Entry) AnswerTo(r *Request) Answer {
	size, whole := e.Body.Size()
	a := Answer{Status: e.Head.Status, Length: -1, Total: -1}
	if whole {
		a.Length, a.Total = size, size
	}
	if e.Head.Status == 200 && e.notModified(r.Head) {
		return Answer{Status: 304, Total: a.Total}
	}
	if v := r.Head.GetID(http1.FieldRange); v != nil && whole && e.Head.Status == 200 && r.Method == "GET" && e.rangeHolds(r.Head) {
		if from, n, ok, bad := parseRange(v, size); bad {
			return Answer{Status: 416, Total: size}
		} else if ok {
			return Answer{Status: 206, From: from, Length: n, Total: size}
		}
	}
	return a
}

// notModified tells that the visitor has this very response.
func (e *Entry) notModified(h *http1.Head) bool {
	if h.Has("If-None-Match") {
		tag := e.Head.GetID(http1.FieldETag)
		for v := range h.Values("If-None-Match") {
			if listHasTag(v, tag) {
				return true
			}
		}
		return false
	}
	since, ok := date(h.Get("If-Modified-Since"))
	if !ok {
		return false
	}
	modified, ok := date(e.Head.GetID(http1.FieldLastModified))
	return ok && !modified.After(since)
}

// listHasTag compares weakly (RFC 9110 section 8.8.3.2).
func listHasTag(list, tag []byte) bool {
	if string(bytes.TrimSpace(list)) == "*" {
		return true
	}
	if len(tag) == 0 {
		return false
	}
	tag = bytes.TrimPrefix(tag, []byte("W/"))
	for len(list) > 0 {
		var item []byte
		item, list = cutItem(list)
		if bytes.Equal(bytes.TrimPrefix(bytes.TrimSpace(item), []byte("W/")), tag) {
			return true
		}
	}
	return false
}

// rangeHolds tells that If-Range, if there is one, names this response, by a
// strong tag or its exact date.
func (e *Entry) rangeHolds(h *http1.Head) bool {
	v := bytes.TrimSpace(h.Get("If-Range"))
	if len(v) == 0 {
		return true
	}
	if v[0] == '"' {
		return bytes.Equal(v, e.Head.GetID(http1.FieldETag))
	}
	at, ok := date(v)
	modified, have := date(e.Head.GetID(http1.FieldLastModified))
	return ok && have && at.Equal(modified)
}

// parseRange reads one range of bytes. Several ranges, and what is no range of
// bytes, are answered whole (ok is false); bad means that no byte of it exists.
func parseRange(v []byte, size int64) (from, n int64, ok, bad bool) {
	spec, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(string(v))), "bytes=")
	if !found || strings.Contains(spec, ",") {
		return 0, 0, false, false
	}
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !dash {
		return 0, 0, false, false
	}
	if first == "" { // the last bytes
		k, err := strconv.ParseUint(last, 10, 62)
		if err != nil {
			return 0, 0, false, false
		}
		if k == 0 || size == 0 {
			return 0, 0, false, true
		}
		n = min(int64(k), size)
		return size - n, n, true, false
	}
	f, err := strconv.ParseUint(first, 10, 62)
	if err != nil {
		return 0, 0, false, false
	}
	end := size - 1
	if last != "" {
		l, err := strconv.ParseUint(last, 10, 62)
		if err != nil || int64(l) < int64(f) {
			return 0, 0, false, false
		}
		end = min(int64(l), end)
	}
	if int64(f) >= size {
		return 0, 0, false, true
	}
	return int64(f), end - int64(f) + 1, true, false
}
