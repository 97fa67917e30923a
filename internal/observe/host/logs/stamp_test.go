package logs

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no zone data here")
	}
	c := clock{loc: berlin, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	want := time.Date(2026, 11, 22, 9, 0, 5, 0, time.UTC)
	for _, line := range []string{
		`2026/11/22 10:00:05 [error] 1#1: *1 connect() failed`,
		`2026-11-22 10:00:05,123 fail2ban.actions [1]: NOTICE [web] Ban 104.16.1.1`,
		`2026-11-22 10:00:05: (server.c.1) logfile cycled`,
		`2026-11-22T09:00:05Z ERR failed`,
		`2026-11-22T10:00:05.123456+01:00 host kernel: x`,
		`2026-11-22T04:00:05-05:00 x`,
		`2026-11-22 04:00:05 -0500 x`,
		`[22-Nov-2026 10:00:05] WARNING: [pool www] server reached pm.max_children`,
		`[22-Nov-2026 09:00:05 UTC] PHP Fatal error`,
		`[Sun Nov 22 10:00:05.123456 2026] [mpm_event:notice] [pid 1:tid 1] x`,
		`[Sun Nov 22 10:00:05 2026] [error] x`,
		`Nov 22 10:00:05 host haproxy[1]: x`,
		`<134>Nov 22 10:00:05 host haproxy[1]: x`,
		`104.16.1.1 - - [22/Nov/2026:09:00:05 +0000] "GET / HTTP/1.1" 200 1`,
		`shop.example [a] 1.2.3.4 - - [22/Nov/2026:10:00:05 +0100] "GET /"`,
		`104.16.1.1:443 [22/Nov/2026:10:00:05.123] web app/a1 0/0/0/1/1 200`,
		`{"level":"error","ts":1795338005.25,"logger":"http"}`,
		`{"time":"2026-11-22T09:00:05Z","ray":"x"}`,
		`{"a":1,"time_local":"22/Nov/2026:10:00:05 +0100"}`,
		`1795338005.123 x`,
		`104.16.1.1|2026-11-22T10:00:05+01:00|502|GET /`,
		`104.16.1.1 22/Nov/2026:09:00:05 +0000 200`,
		`104.16.1.1 - 1795338005.123 "GET /" 200`,
		`2400:cb00::1 2026-11-22 10:00:05 GET / 200`,
	} {
		s, ok := c.stamp([]byte(line))
		if !ok || !s.t.Equal(want) {
			t.Errorf("%s: %v, %v", line, s.t.UTC(), ok)
		}
	}
	for _, line := range []string{
		"", "   at Object.<anonymous>", "\tstack", "[error] nothing", "2026/13/22 10:00:05 x", "Novel approach", "\xff\xfe\x00", "{}", "99999 x", "[Sun Nov 22 1", "2026/11/22", `10.0.0.1 - "GET /17953380051.123" 200`,
	} {
		if s, ok := c.stamp([]byte(line)); ok {
			t.Errorf("%q has a time: %v", line, s.t)
		}
	}
}

func TestYearOfSyslog(t *testing.T) {
	c := clock{loc: time.UTC, now: time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)}
	if s, _ := c.stamp([]byte("Dec 31 23:59:00 host x")); s.t.Year() != 2025 {
		t.Errorf("%v", s.t)
	}
	if s, _ := c.stamp([]byte("Jan  1 00:10:00 host x")); s.t.Year() != 2026 {
		t.Errorf("%v", s.t)
	}
}

func FuzzStamp(f *testing.F) {
	for _, s := range []string{"2026/11/22 10:00:05 x", "[22-Nov-2026 10:00:05 UTC] x", "Nov 22 10:00:05 x", `{"ts":1795338005.25`, "[Sun Nov  2 10:00:05.1 2026]", "2026-11-22T10:00:05.1+01:0"} {
		f.Add([]byte(s))
	}
	c := clock{loc: time.UTC, now: time.Unix(1795338005, 0)}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := c.stamp(b); ok && s.t.IsZero() {
			t.Errorf("%q", b)
		}
	})
}

func BenchmarkStamp(b *testing.B) {
	c := clock{loc: time.UTC, now: time.Unix(1795338005, 0)}
	line := []byte(`104.16.1.1 - - [22/Nov/2026:09:00:05 +0000] "GET / HTTP/1.1" 200 1 "-" "Mozilla/5.0"`)
	b.ReportAllocs()
	for b.Loop() {
		c.stamp(line)
	}
}
