package edge

import (
	"crypto/tls"
	"testing"
)

// The standard library still has the buffers, and a connection without them works on.
func TestDropBuffers(t *testing.T) {
	if len(tlsBuffers) != 2 {
		t.Fatalf("%d of 2 buffers found: an idle TLS connection costs 3 KiB more", len(tlsBuffers))
	}
	w := plain(t, echo)
	c := w.client(false)
	for range 3 {
		if r := w.do(c, mustRequest(t, "GET", "https://shop.example/x", nil)); r.StatusCode != 200 || r.TLS == nil {
			t.Errorf("got %d", r.StatusCode)
		}
	}
	dropBuffers(tls.Client(nil, &tls.Config{})) // before there is anything in them
}
