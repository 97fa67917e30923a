package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// answerText is what a reader understood of a response: code, the values of the field X, content.
func answerText(status int, x []string, body []byte) string {
	if len(body) > 200 {
		body = fmt.Appendf(body[:200:200], " … %d bytes", len(body))
	}
	return fmt.Sprintf("%d %q %q", status, x, body)
}

// ourResponse is what this codec understands of raw; empty when it refuses it.
func ourResponse(raw []byte, method string) (answer string, fault error) {
	r := NewReader(bytes.NewReader(raw))
	for {
		h, err := r.ReadResponseHead(DefaultLimits(), method)
		if err != nil {
			return "", err
		}
		if h.Interim() {
			continue
		}
		var x []string
		for v := range h.Values("x") {
			x = append(x, string(v))
		}
		body, err := io.ReadAll(r.Body())
		if err != nil {
			return "", err
		}
		return answerText(h.Status, x, body), nil
	}
}

// goResponse is what net/http understands of what in gives.
func goResponse(in *bufio.Reader, method string) (answer string, fault error) {
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return "", err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return "", err
		}
		return answerText(resp.StatusCode, resp.Header["X"], body), nil
	}
}

// startRawOrigin answers the request for "/N" with the bytes of case N and closes.
func startRawOrigin(t *testing.T, cases []corpusCase) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				in := bufio.NewReader(c)
				req, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				if i, err := strconv.Atoi(req.URL.Path[1:]); err == nil && i < len(cases) {
					_, _ = c.Write(cases[i].raw)
				}
				// Let nginx read everything and close first, lest a reset overtake the bytes.
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, in)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// throughNginx is what nginx hands a client of the origin's answer; empty for its 502
// and for an answer that it breaks off.
func throughNginx(t *testing.T, socket, method string, i int) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "%s /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", method, i)
	answer, _ := goResponse(bufio.NewReader(c), method)
	if strings.HasPrefix(answer, "502 ") {
		return ""
	}
	return answer
}

// TestResponseCorpus compares with Go's client parser, and with nginx as a proxy in front
// of an origin that sends the corpus. We accept nothing that both refuse, and every other
// difference is explained.
func TestResponseCorpus(t *testing.T) {
	cases := readCorpus(t, "responses.txt")
	socket := startNginx(t, startRawOrigin(t, cases))
	if socket == "" && testing.Verbose() {
		t.Log("nginx is not installed: compared with Go alone")
	}
	var needed explains
	defer needed.unneeded(t, stricterResponses)
	each(len(cases), func(i int) {
		c := cases[i]
		ours, fault := ourResponse(c.raw, c.method)
		theirs := map[string]string{}
		theirs["go"], _ = goResponse(bufio.NewReader(bytes.NewReader(c.raw)), c.method)
		if socket != "" && c.method != "CONNECT" { // which nginx does not serve
			theirs["nginx"] = throughNginx(t, socket, c.method, i)
		}
		refused := 0
		for peer, answer := range theirs {
			if answer == "" {
				refused++
			}
			why, same := c.differs[peer], ours == answer
			if !same && ours == "" && why == "" {
				if why = stricterResponses.reason(fault, peer); why != "" && peer == "go" {
					needed.note(fault)
				}
			}
			switch {
			case !same && why == "":
				t.Errorf("line %d, %s: unexplained difference\n we     %s %v\n %-6s %s", c.line, c.name, ours, fault, peer, answer)
			case same && c.differs[peer] != "" && peer == "go":
				t.Errorf("line %d, %s: the corpus explains a difference that is not there", c.line, c.name)
			}
		}
		if ours != "" && refused == len(theirs) && len(theirs) == 2 {
			t.Errorf("line %d, %s: accepted, although nginx and Go both refuse it: %s", c.line, c.name, ours)
		}
		if strings.HasPrefix(c.name, "good") && ours == "" {
			t.Errorf("line %d, %s: refused: %v", c.line, c.name, fault)
		}
	})
}

// stricterResponses says why responses are refused that nginx or Go accepts.
var stricterResponses = reasons{
	BadVersion:          {"nginx": "reads any version; HTTP/2 has no status line, and 0.9 none at all", "go": "reads any version of one digit each"},
	BadStatusLine:       {"nginx": "takes three bytes for the code and any reason", "go": "takes a signed number for the code and any reason"},
	BadStatusCode:       {"nginx": "passes any code on", "go": "passes any code on; no server can send one below 100"},
	BareCR:              {"nginx": "skips CRs before an LF; keeps them in a reason", "go": "keeps it in a reason"},
	BareLF:              {"nginx": "takes LF for CRLF everywhere; heads alone may have it"},
	ObsFold:             {"go": "joins folded lines; nginx refuses them, and RFC 9112 section 5.2 lets a gateway do so", "nginx": "does not read trailers"},
	MissingColon:        {"nginx": "skips a second status line, which an old IIS sent; does not read trailers"},
	BadFieldName:        {"go": "keeps a space in a name"},
	BadFieldValue:       {"nginx": "does not read trailers"},
	SpaceAroundName:     {"go": "keeps the space, so that the field frames nothing; who strips it sees another body"},
	BadContentLength:    {"nginx": "ignores what is no number and reads until close; a body cut short could not be told"},
	CLandTE:             {"nginx": "refuses it since 1.23.0", "go": "lets Transfer-Encoding win; RFC 9112 section 6.3 would have it handled as an error"},
	BadTransferEncoding: {"nginx": "looks for the word anywhere in the value (until 1.23.0), reads until close otherwise", "go": "ignores it in HTTP/1.0; joins folded lines first"},
	BadChunkEnd:         {"nginx": "takes LF for CRLF"},
}
