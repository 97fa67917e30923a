package lab

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/originward/originward"
)

// localWorlds need no root. They have no host evidence, so that what only the
// host can tell is not proved here.
func localWorlds() []*World {
	strict := World{Code: 526, SSL: originward.SSLStrict, Decides: outsideDecides}
	bad := func(name, title string, cause originward.CauseID, spec CertSpec, chain bool) *World {
		return strict.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Stands = "local-"+name, title, ids(cause), originward.Likely
			w.Local = func(s *LocalStage) error { return s.https(spec, chain, hello) }
		})
	}
	return append([]*World{
		{
			Name: "local-healthy", Title: "nothing is wrong, without root", SSL: originward.SSLStrict, Noisy: true,
			Local: func(s *LocalStage) error { return s.https(CertSpec{}, true, hello) },
		},
		{
			Name: "local-nothing-listens", Title: "nothing listens at the origin, and the host was not looked at", Code: 521,
			Causes: ids("listener.none"), Stands: originward.Likely, Local: func(*LocalStage) error { return nil },
		},
		bad("cert-expired", "the certificate has expired", "tls.cert-expired", CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}, true),
		bad("cert-self-signed", "the certificate is self-signed", "tls.cert-default-or-self-signed", CertSpec{SelfSigned: true}, false),
		bad("cert-name", "the certificate is for another name", "tls.cert-name-mismatch", CertSpec{Names: []string{"other.example"}}, true),
	}, localHTTPWorlds()...)
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from the origin") }

func localHTTPWorlds() []*World {
	likely := World{Stands: originward.Likely}
	return []*World{
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-close", "the origin closes without an answer", 520, ids("http.close-without-response")
			w.Local = func(s *LocalStage) error {
				return s.https(CertSpec{}, true, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			}
		}),
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-header-too-large", "the response head is larger than the edge takes", 520, ids("http.header-too-large")
			w.Local = func(s *LocalStage) error {
				return s.https(CertSpec{}, true, func(w http.ResponseWriter, r *http.Request) {
					for i := range 50 {
						w.Header().Set(fmt.Sprintf("X-Session-%d", i), strings.Repeat("x", 4000))
					}
					hello(w, r)
				})
			}
		}),
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-slow", "the origin answers later than the edge waits", 524, ids("cdn.origin-timeout")
			w.Local = func(s *LocalStage) error {
				return s.https(CertSpec{}, true, func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(time.Minute):
					}
				})
			}
		}),
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-plain-http", "the port answers in plain http", 525, ids("tls.plain-http-on-port")
			w.Local = func(s *LocalStage) error {
				return s.raw(func(c net.Conn) {
					buf := make([]byte, 4096)
					if n, err := c.Read(buf); err != nil || n == 0 {
						return
					}
					answer := "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
					if strings.HasPrefix(string(buf), "GET ") {
						answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n"
					}
					_, _ = io.WriteString(c, answer)
				})
			}
		}),
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-rule-blocks", "a rule at the edge blocks the path", 403, ids("cdn.rule-blocks")
			w.Zone = map[string]any{"rules": map[string]any{"custom": []any{map[string]any{"expression": `http.request.uri.path eq "/"`, "action": "block"}}}}
			w.Stands, w.Decides = originward.Proved, cdnDecides
			w.Local = func(s *LocalStage) error { return s.https(CertSpec{}, true, hello) }
		}),
		likely.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "local-unresolvable", "the record points at a name that does not exist", 530, ids("dns.target-unresolvable")
			w.Records, w.Stands, w.Decides = cname("gone.hosting.example"), originward.Proved, cdnDecides
			w.Local = func(*LocalStage) error { return nil }
		}),
	}
}
