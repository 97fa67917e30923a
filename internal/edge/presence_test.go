package edge

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/originward/originward"
)

// An HTTP/1 visitor that leaves while its request waits frees the origin, and the
// record says what the edge was waiting for.
func TestVisitorLeaves(t *testing.T) {
	for _, upstream := range []string{"http", "https"} { // HTTP/1.1 and HTTP/2 towards the origin
		t.Run(upstream, func(t *testing.T) {
			asked, gone := make(chan struct{}, 1), make(chan struct{}, 1)
			w := plain(t, func(_ http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-r.Context().Done()
				gone <- struct{}{}
			})
			var c net.Conn
			var err error
			if upstream == "http" {
				c, err = net.Dial("tcp", w.http.String())
			} else {
				c, err = tls.Dial("tcp", w.tls.String(), &tls.Config{RootCAs: w.roots(), ServerName: "shop.example"})
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-asked
			waitFor(t, "the wait on record", func() bool { // the origin may know of the request before its sender does
				ws := w.edge.Records(Filter{Host: "shop.example"}).Waiting
				return len(ws) == 1 && ws[0].Phase == originward.PhaseFirstByte && ws[0].Code == 0 && ws[0].Fault == ""
			})
			c.Close()
			select {
			case <-gone:
			case <-time.After(20 * time.Second):
				t.Fatal("the origin still works for a visitor who has left")
			}
			l := w.last(1)
			if l.Status != 499 || l.Phase != "first_byte" || !l.Cut || !l.Left || l.Fault != "" {
				t.Errorf("logged as %+v", l)
			}
			rec := w.edge.Records(Filter{Host: "shop.example"})
			if len(rec.Waiting) != 0 || len(rec.Items) != 1 {
				t.Fatalf("recorded as %+v", rec)
			}
			x := rec.Items[0]
			if !x.Left || x.Code != 499 || x.Fault != "" || x.Errno != "" || x.Phase != originward.PhaseFirstByte {
				t.Errorf("recorded as %+v", x)
			}
		})
	}
}
