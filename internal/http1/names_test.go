package http1

import (
	"strings"
	"testing"
)

// TestNames: every closed list names each of its values, once.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	once := func(s string) {
		t.Helper()
		if s == "" || seen[s] {
			t.Errorf("name %q is empty or used twice", s)
		}
		seen[s] = true
	}
	for k := KindNone; k < kindEnd; k++ {
		once(k.String())
		if kinds[k].text == "" {
			t.Errorf("%v has no text", k)
		}
	}
	clear(seen)
	for p := LooksUnknown; p < protocolEnd; p++ {
		once(p.String())
	}
	clear(seen)
	for q := Quirk(1); q < quirkEnd; q <<= 1 {
		once(q.String())
	}
	clear(seen)
	for k := NoBody; k <= TunnelBody; k++ {
		once(k.String())
	}
	clear(seen)
	for p := PartUnknown; p <= PartAfter; p++ {
		once(p.String())
	}
	if kindEnd.String() != "unknown" || protocolEnd.String() != "unknown" || Side(9).String() != "unknown" {
		t.Error("a value outside the list has a name")
	}
	if got := (QuirkBareLF | QuirkObsText).String(); got != "bare_lf,obs_text" {
		t.Error(got)
	}
}

func TestLookupField(t *testing.T) {
	for id := FieldOther + 1; id < fieldEnd; id++ {
		name := id.String()
		if id == fieldActedUpon {
			continue
		}
		if name == "" {
			t.Errorf("field %d has no name", id)
			continue
		}
		for _, s := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := LookupField([]byte(s)); got != id {
				t.Errorf("%s: got %d, want %d", s, got, id)
			}
		}
		if LookupField([]byte(name+"x")) == id || LookupField([]byte(strings.ReplaceAll(name, "-", "_"))) == id && strings.Contains(name, "-") {
			t.Errorf("%s is found under another name", name)
		}
	}
	if LookupField(nil) != FieldOther || LookupField([]byte("x")) != FieldOther {
		t.Error("an unknown name is known")
	}
}

func TestHeadLookups(t *testing.T) {
	r := NewReader(strings.NewReader(okHead + "Set-Cookie: a\r\nSET-COOKIE: b\r\nEmpty:\r\nCache-Control: no-store , Private\r\nContent-Length: 0\r\n\r\n"))
	h, err := r.ReadResponseHead(Limits{}, "GET")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for v := range h.Values("set-cookie") {
		all = append(all, string(v))
	}
	if strings.Join(all, ",") != "a,b" {
		t.Errorf("values %q", all)
	}
	for range h.Values("set-cookie") {
		break
	}
	if v := h.Get("EMPTY"); v == nil || len(v) != 0 || !h.Has("empty") || h.Has("absent") || h.Get("absent") != nil {
		t.Error("presence")
	}
	if string(h.GetID(FieldSetCookie)) != "a" || h.GetID(FieldAge) != nil {
		t.Error("GetID")
	}
	if !h.HasToken("cache-control", "private") || h.HasToken("cache-control", "no") || h.HasToken("absent", "x") {
		t.Error("HasToken")
	}
}
