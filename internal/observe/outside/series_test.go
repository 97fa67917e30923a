package outside

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
)

// An origin that drops every third connection, and one idle connection after
// two seconds.
func TestSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.IdleTimeout = 2 * time.Second
	s.Start()
	defer s.Close()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
	defer cancel()
	es := Series(ctx, Ask{Host: host, Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}}, 500*time.Millisecond)
	runs, kept := 0, map[float64]bool{}
	for _, e := range es {
		if e.Text == "" || e.Reproduce == "" || e.Vantage != originward.Outside {
			t.Errorf("%+v", e)
		}
		switch f := e.Fact.(type) {
		case fact.Repeat:
			runs = len(f.Runs)
			for _, x := range f.Runs {
				if x.Status != 200 || x.Fault != "" || x.At.IsZero() {
					t.Errorf("%+v", x)
				}
			}
		case fact.Exchange:
			kept[f.IdleMS] = f.Reused
		}
	}
	if runs < 5 {
		t.Errorf("%d runs", runs)
	}
	if got, ok := kept[1000]; !ok || !got {
		t.Errorf("after a second: %v", kept)
	}
	if got, ok := kept[3000]; !ok || got {
		t.Errorf("after three seconds: %v", kept)
	}
}

func TestSeriesShowsWhatComesAndGoes(t *testing.T) {
	var n atomic.Int32
	ap := raw(t, func(c net.Conn) {
		if n.Add(1)%2 == 0 {
			return
		}
		c.Read(make([]byte, 4096))
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	es := Series(ctx, Ask{Host: host, Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}}, 100*time.Millisecond)
	if len(es) != 1 {
		t.Fatalf("%d items", len(es))
	}
	good, bad := 0, 0
	for _, x := range es[0].Fact.(fact.Repeat).Runs {
		if x.Fault != "" {
			bad++
		} else {
			good++
		}
	}
	if good < 2 || bad < 2 {
		t.Errorf("%d good, %d bad: %s", good, bad, es[0].Text)
	}
}
