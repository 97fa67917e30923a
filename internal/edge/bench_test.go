package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// fixedOrigin answers every request on a connection with the same bytes and
// allocates nothing, so that a benchmark shows the edge.
func fixedOrigin(b *testing.B, body int) (w *world) {
	e, o, _ := hosts()
	resp := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\n%s", body, strings.Repeat("x", body))
	ap := script(b, o, 0, func(c *net.TCPConn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil || n < 4 {
				return
			}
			if _, err := c.Write(resp); err != nil {
				return
			}
		}
	})
	// The https listener's requests go to the same origin by an origin rule.
	return start(b, fmt.Sprintf(`listen: {http: ['%s:%d'], https: ['%s:443']}
zones:
- name: shop.example
  ssl: flexible
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules: {origin: [{expression: ssl, action_parameters: {origin: {port: %d}}}]}
`, e, ap.Port(), e, o, ap.Port()))
}

// The whole path of a request over a kept connection: visitor, edge, origin, all in
// this process.
func BenchmarkRequest(b *testing.B) {
	const request = "GET /path?query HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n"
	for _, size := range []int{1 << 10, 100 << 10} {
		w := fixedOrigin(b, size)
		for _, secure := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dKiB/tls=%v", size>>10, secure), func(b *testing.B) {
				addr := w.http
				if secure {
					addr = w.tls
				}
				c, err := net.Dial("tcp", addr.String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				if secure {
					c = tls.Client(c, &tls.Config{ServerName: "shop.example", RootCAs: w.roots()})
				}
				r := bufio.NewReaderSize(c, 256<<10)
				whole := 0
				one := func() {
					if _, err := io.WriteString(c, request); err != nil {
						b.Fatal(err)
					}
					if whole == 0 {
						for {
							l, err := r.ReadSlice('\n')
							if err != nil {
								b.Fatal(err)
							}
							if whole += len(l); len(l) == 2 {
								break
							}
						}
						whole += size
						if _, err := r.Discard(size); err != nil {
							b.Fatal(err)
						}
						return
					}
					if _, err := r.Discard(whole); err != nil {
						b.Fatal(err)
					}
				}
				one()
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					one()
				}
			})
		}
	}
}
