package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge/ray"
)

func TestLog(t *testing.T) {
	l := New(3)
	var out bytes.Buffer
	l.Set(&out, Everything, 3)
	for i := range 5 {
		l.Add(Event{At: time.Unix(int64(i), 0), Ray: fmt.Sprintf("%016x", i), Action: []string{"block", "log"}[i%2], Zone: "shop.example"})
	}
	rays := func(f Filter) string {
		var s []string
		for _, e := range l.Find(f) {
			s = append(s, strings.TrimLeft(e.Ray, "0"))
		}
		return strings.Join(s, " ")
	}
	for _, tc := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "4 3 2"}, {Filter{Limit: 2}, "4 3"}, {Filter{Action: "block"}, "4 2"}, {Filter{Ray: "0000000000000003"}, "3"},
		{Filter{Ray: "0000000000000001"}, ""}, {Filter{Since: time.Unix(4, 0)}, "4"}, {Filter{Zone: "other.example"}, ""},
	} {
		if got := rays(tc.f); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.f, got, tc.want)
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 5 {
		t.Errorf("%d lines written, want 5", n)
	}
	var e Event
	if err := json.Unmarshal(out.Bytes()[:bytes.IndexByte(out.Bytes(), '\n')], &e); err != nil || e.Action != "block" {
		t.Errorf("line: %v %+v", err, e)
	}
	l.Set(nil, Everything, 2)
	if got := rays(Filter{}); got != "4 3" {
		t.Errorf("after shrinking: %q", got)
	}
	l.Add(Event{Ray: "a"})
	if got := rays(Filter{}); got != "a 4" {
		t.Errorf("then: %q", got)
	}
	l.Set(nil, Everything, 0)
	l.Add(Event{Ray: "b"})
	if got := rays(Filter{}); got != "" {
		t.Errorf("without memory: %q", got)
	}
}

func TestPolicy(t *testing.T) {
	for _, tc := range []struct{ client, addr, want string }{
		{"full", "192.0.2.77", "192.0.2.77"}, {"truncated", "192.0.2.77", "192.0.2.0"}, {"truncated", "2001:db8:1:2:3::4", "2001:db8:1::"},
		{"truncated", "::ffff:192.0.2.77", "192.0.2.0"}, {"none", "192.0.2.77", ""},
	} {
		if got := (Policy{Client: tc.client}).Addr(netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.client, tc.addr, got, tc.want)
		}
	}
	n := 0
	for range 20000 {
		if (Policy{Sample: 0.1}).Takes(ray.New()) {
			n++
		}
	}
	if n < 1500 || n > 2500 {
		t.Errorf("%d of 20,000 sampled at a tenth", n)
	}
	if (Policy{Sample: 0}).Takes(ray.New()) || !Everything.Takes(ray.New()) {
		t.Error("the ends of the range")
	}
}

// failing is a disk that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestFlush(t *testing.T) {
	l := New(10)
	var out bytes.Buffer
	l.Set(&out, Everything, 10)
	for range 100 {
		l.Add(Event{Ray: "1", Expression: strings.Repeat("x", 400)})
	}
	if n := strings.Count(out.String(), "\n"); n == 0 || n == 100 {
		t.Errorf("%d of 100 lines written before the flush: they are not gathered, or without bound", n)
	}
	l.Set(failing{}, Everything, 10) // what was gathered goes where it would have
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d of 100 lines written", n)
	}
	l.Add(Event{Ray: "2"})
	if err := l.Flush(); err == nil {
		t.Error("a failure is not told")
	}
	if err := l.Flush(); err != nil {
		t.Errorf("a failure is told twice: %v", err)
	}
}
