package edge

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// shortTimers make silence known soon.
const shortTimers = "timers: {resolve: 1s, connect: 700ms, tls: 700ms, ack: 1500ms, read: 1200ms, write: 800ms, client: 5s}\n"

// faultCase is one cell: what the origin does, and what the edge must say.
type faultCase struct {
	name   string
	zone   string // SSL mode
	serve  func(*net.TCPConn)
	status int
	number int
	fault  string
	phase  string
	upload bool
}

func reply200(c *net.TCPConn) {
	readHead(c)
	io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
}

func say(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		readHead(c)
		io.WriteString(c, text)
	}
}

func reset(c *net.TCPConn) { c.SetLinger(0); c.Close() }

func silent(c *net.TCPConn) { io.Copy(io.Discard, c) }

// faultCases are the rows of the decision table from the exchange on that need no
// packet filter.
func faultCases() []faultCase {
	huge := "HTTP/1.1 200 OK\r\nSet-Cookie: a=" + strings.Repeat("x", 130<<10) + "\r\nContent-Length: 0\r\n\r\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, strings.Repeat("content ", 100))
	z.Close()
	gz := func(body string, length int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", length, body)
	}
	whole := zipped.String()
	return []faultCase{
		{"a good answer", "full", reply200, 200, 0, "", "", false},
		{"empty reply", "full", func(c *net.TCPConn) { readHead(c) }, 520, 520, "connection_terminated", "first_byte", false},
		{"close at once", "full", func(c *net.TCPConn) {}, 520, 520, "connection_terminated", "", false},
		{"reset after the request", "full", func(c *net.TCPConn) { readHead(c); reset(c) }, 520, 520, "connection_terminated", "first_byte", false},
		{"head cut off", "full", say("HTTP/1.1 200 OK\r\nContent-Le"), 520, 520, "http_response_incomplete", "headers", false},
		{"garbage", "full", say("\x00\x01\x02 nonsense\r\n\r\n"), 520, 520, "http_protocol_error", "headers", false},
		{"HTTP/0.9", "full", say("<html>hello</html>\r\n\r\n"), 520, 520, "http_protocol_error", "headers", false},
		{"head over 128 KB", "full", say(huge), 520, 520, "http_response_header_section_size", "headers", false},
		{"never answers", "full", silent, 524, 524, "http_response_timeout", "first_byte", false},
		{"takes no body", "full", func(c *net.TCPConn) { time.Sleep(20 * time.Second) }, 524, 524, "connection_write_timeout", "write", true},
		{"gzip broken", "full", say(gz("this is no gzip", 15)), 502, 502, "http_response_content_coding", "headers", false},
		{"gzip cut off", "full", say(gz(whole[:len(whole)-9], len(whole)-9)), 502, 502, "http_response_content_coding", "headers", false},
		{"length not that of gzip", "full", say(gz(whole, 800)), 502, 502, "http_response_content_coding", "headers", false},
		{"broken chunk", "full", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), 502, 502, "http_response_transfer_coding", "headers", false},
		{"unasked 101", "full", say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), 520, 520, "http_protocol_error", "headers", false},
		{"the origin's own 502", "full", say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nown"), 502, 0, "", "", false},
		{"the origin's own 521", "full", say("HTTP/1.1 521 Down\r\nContent-Length: 3\r\n\r\nown"), 521, 0, "", "", false},
		{"no TLS on the port", "origin_pull", say("HTTP/1.1 400 Bad Request\r\n\r\n"), 525, 525, "tls_protocol_error", "tls", false},
		{"closes on the hello", "origin_pull", func(c *net.TCPConn) { c.Read(make([]byte, 10)) }, 525, 525, "", "tls", false},
		{"resets on the hello", "origin_pull", func(c *net.TCPConn) { c.Read(make([]byte, 10)); reset(c) }, 525, 525, "", "tls", false},
		{"alert handshake_failure", "origin_pull", func(c *net.TCPConn) {
			c.Read(make([]byte, 4096))
			c.Write([]byte{21, 3, 3, 0, 2, 2, 40})
		}, 525, 525, "tls_alert_received", "tls", false},
		{"silent after the hello", "origin_pull", silent, 525, 525, "", "tls", false},
	}
}

func TestFaultsEndToEnd(t *testing.T) {
	for _, tc := range faultCases() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e, o, _ := hosts()
			ap := script(t, o, 0, tc.serve)
			w := start(t, fmt.Sprintf("%slisten: {http: ['%s:%d']}\nzones: [%s]", shortTimers, e, ap.Port(), siteZone(tc.zone, o)))
			w.checkFault(tc, ap)
		})
	}
}

// checkFault asks once and compares answer, log and record with the case.
func (w *world) checkFault(tc faultCase, origin netip.AddrPort) {
	w.t.Helper()
	request := "GET /p?q HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
	if tc.upload {
		request = "POST /p?q HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nConnection: close\r\nContent-Length: 33554432\r\n\r\n" + strings.Repeat("x", 32<<20)
	}
	status, head, body := splitResponse(w.t, w.raw(request))
	if status != tc.status {
		w.t.Fatalf("status %d, want %d\n%s%.300s", status, tc.status, head, body)
	}
	l := w.last(1)
	if l.Status != tc.status || l.Error != tc.number || tc.fault != "" && l.Fault != tc.fault || tc.phase != "" && l.Phase != tc.phase {
		w.t.Errorf("log %+v; want status %d, error %d, %s in %s", l, tc.status, tc.number, tc.fault, tc.phase)
	}
	var page struct {
		ErrorCode int    `json:"error_code"`
		EdgeError bool   `json:"edge_error"`
		Ray       string `json:"ray_id"`
		Fault     string `json:"fault_type"`
		Phase     string `json:"fault_phase"`
	}
	if tc.number == 0 {
		if tc.status >= 500 && (body != "own" || !strings.Contains(head, "Proxy-Status: originward; received-status="+fmt.Sprint(tc.status))) {
			w.t.Errorf("the origin's own answer did not pass as it is:\n%s%s", head, body)
		}
		return
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		w.t.Fatalf("%v in\n%s%s", err, head, body)
	}
	if page.Fault == "" || page.Fault != l.Fault || page.Phase != l.Phase {
		w.t.Errorf("the page tells of %q in %q, the log of %q in %q", page.Fault, page.Phase, l.Fault, l.Phase)
	}
	if page.ErrorCode != tc.number || !page.EdgeError || !strings.HasPrefix(l.Ray, page.Ray) || !strings.Contains(head, "CF-Ray: "+l.Ray) {
		w.t.Errorf("page %+v, ray in the log %s\n%s", page, l.Ray, head)
	}
	if want := "Proxy-Status: originward; error=" + l.Fault + "; phase=" + l.Phase; !strings.Contains(head, want) {
		w.t.Errorf("no %q in\n%s", want, head)
	}
	if strings.Contains(head+body, origin.Addr().String()) {
		w.t.Errorf("the answer tells the origin's address:\n%s%s", head, body)
	}
	recs := w.record(Filter{Host: "shop.example"})
	if len(recs) != 1 || recs[0].Code != tc.status || recs[0].Error != tc.number || string(recs[0].Fault) != l.Fault || recs[0].Ray != page.Ray {
		w.t.Errorf("record %+v", recs)
	}
}

func splitResponse(t testing.TB, raw string) (status int, head, body string) {
	t.Helper()
	head, body, ok := strings.Cut(raw, "\r\n\r\n")
	if !ok {
		t.Fatalf("no response head in %.200q", raw)
	}
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("%v in %.100q", err, head)
	}
	return status, head + "\r\n", body
}

// nameServer answers A questions of an origin's name.
func nameServer(t testing.TB, addr netip.Addr, answer func(name string, m *dns.Msg)) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if answer(q.Question[0].Name, m); m.Rcode >= 0 {
			w.WriteMsg(m)
		}
	})}
	go s.ActivateAndServe() //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Shutdown() })
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

func TestOriginNames(t *testing.T) {
	e, o, _ := hosts()
	ap := script(t, o, 0, reply200)
	ns := nameServer(t, e, func(name string, m *dns.Msg) {
		switch name {
		case "good.host.example.":
			if m.Question[0].Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: o.AsSlice()})
			}
		case "empty.host.example.":
		case "broken.host.example.":
			m.Rcode = dns.RcodeServerFailure
		default:
			m.Rcode = dns.RcodeNameError
		}
	})
	cname := func(name, target string) string {
		return fmt.Sprintf("{type: CNAME, name: %s.shop.example, content: %s, proxied: true}", name, target)
	}
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
resolver: %s
zones:
- name: shop.example
  records: [%s]
`, e, ap.Port(), ns, strings.Join([]string{
		cname("good", "good.host.example"), cname("empty", "empty.host.example"), cname("broken", "broken.host.example"),
		cname("gone", "gone.host.example"), cname("inner", "www.shop.example"), cname("a", "b.shop.example"), cname("b", "a.shop.example"),
		fmt.Sprintf("{type: A, name: www.shop.example, content: %s, proxied: true}", o),
		fmt.Sprintf("{type: A, name: self.shop.example, content: %s, proxied: true}", e),
		"{type: A, name: zero.shop.example, content: 0.0.0.0, proxied: true}",
	}, ",\n    ")))
	for _, tc := range []struct {
		name          string
		status, error int
		fault, phase  string
	}{
		{"good", 200, 0, "", ""},
		{"inner", 200, 0, "", ""}, // a CNAME within the edge's own zones is not asked of DNS
		{"gone", 530, 1016, "dns_error", "resolve"},
		{"empty", 530, 1016, "dns_error", "resolve"},
		{"broken", 530, 1016, "dns_error", "resolve"},
		{"a", 530, 1016, "dns_error", "resolve"},
		{"nothing", 530, 1016, "dns_error", "resolve"},
		{"self", 403, 1000, "destination_ip_prohibited", "resolve"},
		{"zero", 403, 1002, "destination_ip_prohibited", "resolve"},
	} {
		n := len(w.lines())
		r := w.get("http://"+tc.name+".shop.example/", "Accept", "application/json")
		if l := w.last(n + 1); r.StatusCode != tc.status || l.Error != tc.error || l.Fault != tc.fault || l.Phase != tc.phase {
			t.Errorf("%s: %d, log %+v; want %d/%d %s in %s", tc.name, r.StatusCode, l, tc.status, tc.error, tc.fault, tc.phase)
		}
	}
}

// A name server that is silent.
func TestNameServerSilent(t *testing.T) {
	t.Parallel()
	e, _, _ := hosts()
	ns := nameServer(t, e, func(_ string, m *dns.Msg) { m.Rcode = -1 })
	w := start(t, fmt.Sprintf(shortTimers+"listen: {http: ['%s:0']}\nresolver: %s\nzones: [{name: shop.example, records: [{type: CNAME, name: '@', content: host.example, proxied: true}]}]", e, ns))
	r := w.get("http://shop.example/", "Accept", "application/json")
	if l := w.last(1); r.StatusCode != 530 || l.Error != 1016 || l.Fault != "dns_timeout" {
		t.Errorf("%d, %+v", r.StatusCode, l)
	}
}
