package edge

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
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
			c.Close()
			select {
			case <-gone:
			case <-time.After(20 * time.Second):
				t.Fatal("the origin still works for a visitor who has left")
			}
			l := w.last(1)
			if l.Status != 499 || l.Phase != "first_byte" || !l.Cut {
				t.Errorf("logged as %+v", l)
			}
		})
	}
}
