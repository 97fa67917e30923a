package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// corpus is testdata/smuggling.json: messages on which two readers can disagree, from
// RFC 9112, 9113 and published research, with what this edge answers and what of it
// an origin gets to see. Each message carries a request (or response) for /smuggled
// in a place where it must not be taken for one.
type corpus struct {
	Requests  []*smuggle `json:"requests"`  // over HTTP/1.1, towards origins
	Responses []*smuggle `json:"responses"` // from an origin
	HTTP2     []*smuggle `json:"http2"`     // over HTTP/2, towards origins of HTTP/1.1
}

type smuggle struct {
	Name     string      `json:"name"`
	Source   string      `json:"source"`
	Send     string      `json:"send,omitempty"`
	Fields   [][2]string `json:"fields,omitempty"` // HTTP/2
	Body     string      `json:"body,omitempty"`
	Trailers [][2]string `json:"trailers,omitempty"`
	Want     []string    `json:"want"`             // what the visitor gets: statuses, "rst", "goaway"
	Origin   []string    `json:"origin,omitempty"` // what the origin logs beside the request for /a: "METHOD target"
}

func loadCorpus(t *testing.T) *corpus {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "smuggling.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := new(corpus)
	if err := json.Unmarshal(b, c); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Requests) + len(c.Responses) + len(c.HTTP2); n < 120 {
		t.Fatalf("only %d cases", n)
	}
	return c
}

// loggedOrigin is a real server that logs each request it takes for one, and answers with it.
type loggedOrigin struct {
	name string
	addr netip.AddrPort
	log  string
	read int // bytes of the log that were looked at
}

// lines gives what was logged up to a request that is known to have come, without it.
func (o *loggedOrigin) lines(t *testing.T, until string) []string {
	t.Helper()
	var fresh string
	waitFor(t, o.name+"'s log line "+until, func() bool {
		b, err := os.ReadFile(o.log)
		if err != nil || len(b) < o.read {
			return false
		}
		fresh = string(b[o.read:])
		return strings.Contains(fresh, until+" HTTP/1.1\n")
	})
	o.read += len(fresh)
	var out []string
	for l := range strings.Lines(fresh) {
		if l = strings.TrimSuffix(strings.TrimSpace(l), " HTTP/1.1"); l != until {
			out = append(out, l)
		}
	}
	return out
}

func nginxOrigin(t *testing.T, ap netip.AddrPort) *loggedOrigin {
	log := filepath.Join(t.TempDir(), "requests.log")
	nginx(t, fmt.Sprintf(`log_format r '$request'; access_log %s r;
keepalive_requests 100000;
server { listen %s; location / { return 200 "$request_method $request_uri"; } }`, log, ap))
	waitPort(t, ap)
	return &loggedOrigin{name: "nginx", addr: ap, log: log}
}

func apacheOrigin(t *testing.T, ap netip.AddrPort) *loggedOrigin {
	t.Helper()
	bin, err := exec.LookPath("apache2")
	if err != nil {
		if bin = "/usr/sbin/apache2"; !exists(bin) {
			t.Skip("needs apache2")
		}
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "requests.log")
	conf := fmt.Sprintf(`ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen %[2]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
DefaultRuntimeDir %[1]s
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
Header always set X-Seen "expr=%%{REQUEST_METHOD} %%{REQUEST_URI}"
AliasMatch "^/.*" "%[1]s/page"
LogFormat "%%r" r
CustomLog %[3]s r
`, dir, ap, log)
	for name, text := range map[string]string{"apache.conf": conf, "page": "page"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755) // its worker may be another user
	}
	cmd := exec.Command(bin, "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended by itself
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("apache: %s%s", &out, b)
		}
	})
	waitPort(t, ap)
	return &loggedOrigin{name: "apache", addr: ap, log: log}
}

// smugglingWorld is an edge before a real server.
func smugglingWorld(t *testing.T, server func(*testing.T, netip.AddrPort) *loggedOrigin) (*world, *loggedOrigin) {
	e, o, _ := hosts()
	ap := netip.AddrPortFrom(o, 8080)
	origin := server(t, ap)
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:8080'], https: ['%s:443']}
zones:
- name: shop.example
  ssl: flexible
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules: {origin: [{expression: ssl, action_parameters: {origin: {port: 8080}}}]}
`, e, e, o))
	return w, origin
}

// send writes bytes, ends our direction, and gives the statuses of what comes back.
func (w *world) send(s *smuggle) []string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.http.String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, s.Send); err == nil {
		_ = c.(*net.TCPConn).CloseWrite() // the edge may have closed already
	}
	method, _, _ := strings.Cut(s.Send, " ")
	r := bufio.NewReader(c)
	got := []string{}
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return got
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return append(got, "cut")
		}
		got = append(got, strconv.Itoa(resp.StatusCode))
		method = "GET"
	}
}

// send2 sends a request frame by frame.
func (w *world) send2(s *smuggle) []string {
	w.t.Helper()
	c, err := tls.Dial("tcp", w.tls.String(), &tls.Config{RootCAs: w.roots(), ServerName: "shop.example", NextProtos: []string{"h2"}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	encode := func(fields [][2]string) []byte {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a buffer takes everything
		}
		return bytes.Clone(block.Bytes())
	}
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, c)
	_ = fr.WriteSettings()
	only := s.Body == "" && s.Trailers == nil
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(s.Fields), EndHeaders: true, EndStream: only})
	if !only {
		_ = fr.WriteData(1, s.Trailers == nil, []byte(s.Body))
	}
	if s.Trailers != nil {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(s.Trailers), EndHeaders: true, EndStream: true})
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		return []string{"closed"}
	}
	return answer2(fr)
}

func answer2(fr *http2.Framer) []string {
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	got := []string{}
	for {
		f, err := fr.ReadFrame()
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			got = append(got, f.PseudoValue("status"))
			if f.StreamEnded() {
				return got
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return got
			}
		case *http2.RSTStreamFrame:
			return append(got, "rst")
		case *http2.GoAwayFrame:
			return append(got, "goaway")
		}
		if err != nil {
			return append(got, "closed")
		}
	}
}

// victim is another visitor, who must get the answer to its own request.
func (w *world) victim(o *loggedOrigin, target string) {
	w.t.Helper()
	r := w.get("http://shop.example" + target)
	seen := r.Header.Get("X-Seen")
	if o.name == "nginx" {
		seen = r.body
	}
	if r.StatusCode != 200 || seen != "GET "+target {
		w.t.Errorf("the next visitor asked for %s and got %d, of a request %q", target, r.StatusCode, seen)
	}
}

var victims atomic.Int64

func smugglingTest(t *testing.T, cases []*smuggle, send func(*world, *smuggle) []string) {
	for _, server := range []func(*testing.T, netip.AddrPort) *loggedOrigin{nginxOrigin, apacheOrigin} {
		w, o := smugglingWorld(t, server)
		w.get("http://shop.example/first")
		o.lines(t, "GET /first")
		for _, s := range cases {
			t.Run(o.name+"/"+s.Name, func(t *testing.T) {
				w.t = t
				got := send(w, s)
				// Several connections to the origin may be idle: a poisoned one would be met.
				var last string
				for range 3 {
					last = "/victim/" + strconv.FormatInt(victims.Add(1), 10)
					w.victim(o, last)
				}
				seen := slices.DeleteFunc(o.lines(t, "GET "+last), expected)
				if updateCorpus && o.name == "nginx" {
					s.Want, s.Origin = got, seen
					return
				}
				if !slices.Equal(got, s.Want) {
					t.Errorf("the visitor got %v, not %v", got, s.Want)
				}
				if !slices.Equal(seen, s.Origin) {
					t.Errorf("the origin saw %q, not %q", seen, s.Origin)
				}
			})
		}
		w.t = t
	}
}

// expected tells the requests that are allowed to come: the victims', and the case's
// own first one, which a server may log late when it was broken off.
func expected(line string) bool {
	return strings.HasPrefix(line, "GET /victim/") || strings.HasSuffix(line, " /a")
}

var updateCorpus = os.Getenv("EDGE_CORPUS_UPDATE") != ""

// Whatever a visitor sends: an origin sees only requests that the edge took for
// such, and no other visitor gets an answer that is not to its own.
func TestSmugglingRequests(t *testing.T) {
	c := loadCorpus(t)
	smugglingTest(t, c.Requests, (*world).send)
	c.keep(t)
}

// The same over HTTP/2, whose fields can hold what HTTP/1.1 would read as its own framing.
func TestSmugglingHTTP2(t *testing.T) {
	c := loadCorpus(t)
	smugglingTest(t, c.HTTP2, (*world).send2)
	c.keep(t)
}

// Whatever an origin sends: the next visitor gets the answer to its own request.
func TestSmugglingResponses(t *testing.T) {
	c := loadCorpus(t)
	for _, s := range c.Responses {
		t.Run(s.Name, func(t *testing.T) {
			e, o, _ := hosts()
			var first atomic.Bool
			ap := script(t, o, 0, func(c *net.TCPConn) {
				r := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					reply := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-For: " + req.URL.Path + "\r\n\r\nclean"
					if first.CompareAndSwap(false, true) {
						reply = s.Send
						_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // ends a body that has no other end
					}
					if _, err := io.WriteString(c, reply); err != nil {
						return
					}
				}
			})
			w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("off", o)))
			got := w.send(&smuggle{Send: "POST /first HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n"})
			for i := range 3 {
				r := w.get("http://shop.example/victim/" + strconv.Itoa(i))
				if r.StatusCode != 200 || r.body != "clean" || r.Header.Get("X-For") != "/victim/"+strconv.Itoa(i) {
					t.Errorf("the next visitor got %d %q for %q", r.StatusCode, r.body, r.Header.Get("X-For"))
				}
			}
			if updateCorpus {
				s.Want = got
			} else if !slices.Equal(got, s.Want) {
				t.Errorf("the visitor got %v, not %v", got, s.Want)
			}
		})
	}
	c.keep(t)
}

// keep writes what was seen into the corpus, one case per line, for review.
func (c *corpus) keep(t *testing.T) {
	if !updateCorpus {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	list := func(name string, cases []*smuggle, end string) {
		fmt.Fprintf(&b, "%q: [\n", name)
		for i, s := range cases {
			err := enc.Encode(s)
			if i < len(cases)-1 {
				b.Truncate(b.Len() - 1)
				b.WriteString(",\n")
			}
			if err = errors.Join(err); err != nil {
				t.Fatal(err)
			}
		}
		b.WriteString("]" + end + "\n")
	}
	b.WriteString("{\n")
	list("requests", c.Requests, ",")
	list("responses", c.Responses, ",")
	list("http2", c.HTTP2, "")
	b.WriteString("}\n")
	if err := os.WriteFile(filepath.Join("testdata", "smuggling.json"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
