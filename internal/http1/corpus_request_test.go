package http1

import (
	"bytes"
	"errors"
	"io"
	"log"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var quiet = log.New(io.Discard, "", 0)

// canary follows each request: whoever has misjudged where the request ends does not see it, or sees another.
const canary = "GET /canary HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"

// ourRequests is what this codec understands of raw, in the form of exchange.
func ourRequests(raw []byte) (answers []string, fault error) {
	r := NewReader(bytes.NewReader(raw))
	for {
		h, err := r.ReadRequestHead(DefaultLimits())
		if e := (*ParseError)(nil); errors.As(err, &e) && e.Kind == NoRequest {
			return answers, fault
		}
		if err != nil {
			return append(answers, "!"), err
		}
		body, err := io.ReadAll(r.Body())
		if err != nil {
			return append(answers, "!"), err
		}
		answers = append(answers, echoText(string(h.Method), string(h.Target), string(h.Host), body))
		if !h.KeepAlive {
			return answers, nil
		}
	}
}

func accepted(answers []string) bool { return len(answers) > 0 && answers[0] != "!" }

// TestRequestCorpus compares with nginx and with Go's server, byte for byte what each
// understands of every corpus request and of what follows it. We accept nothing that both
// refuse, and every other difference is explained in the corpus.
func TestRequestCorpus(t *testing.T) {
	cases := readCorpus(t, "requests.txt")
	goAddr := startGo(t)
	peers := map[string]string{"go": goAddr}
	if addr := startNginx(t, goAddr); addr != "" {
		peers["nginx"] = addr
	} else if testing.Verbose() {
		t.Log("nginx is not installed: compared with Go alone")
	}
	var needed explains
	defer needed.unneeded(t, stricter)
	each(len(cases), func(i int) {
		c := cases[i]
		raw := append(bytes.Clone(c.raw), canary...)
		ours, fault := ourRequests(raw)
		refused := 0
		for peer, addr := range peers {
			theirs := exchange(t, addr, raw)
			if !accepted(theirs) {
				refused++
			}
			same := slices.Equal(ours, theirs) || !accepted(ours) && !accepted(theirs)
			why := c.differs[peer]
			if !same && !accepted(ours) && why == "" {
				if why = stricter.reason(fault, peer); why != "" && peer == "go" {
					needed.note(fault)
				}
			}
			switch {
			case !same && why == "":
				t.Errorf("line %d, %s: unexplained difference\n we     %q %v\n %-6s %q", c.line, c.name, ours, fault, peer, theirs)
			case same && why != "" && peer == "go":
				t.Errorf("line %d, %s: the corpus explains a difference that is not there", c.line, c.name)
			}
		}
		if accepted(ours) && refused == len(peers) && len(peers) == 2 {
			t.Errorf("line %d, %s: accepted, although nginx and Go both refuse it: %q", c.line, c.name, ours)
		}
		wantBad := !strings.HasPrefix(c.name, "good")
		if !wantBad && !accepted(ours) {
			t.Errorf("line %d, %s: refused: %v", c.line, c.name, fault)
		}
	})
}

// reasons explains, per kind of fault, why a reader that accepts it is not followed.
type reasons map[Kind]map[string]string

func (r reasons) reason(fault error, peer string) string {
	var e *ParseError
	if !errors.As(fault, &e) {
		return ""
	}
	return r[e.Kind][peer]
}

// explains is what the cases of a run needed a reason for; each runs at once, hence the lock.
type explains struct {
	mu   sync.Mutex
	used map[Kind]bool
}

func (x *explains) note(fault error) {
	var e *ParseError
	if errors.As(fault, &e) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.used == nil {
			x.used = map[Kind]bool{}
		}
		x.used[e.Kind] = true
	}
}

// unneeded reports reasons of Go's that explain nothing; nginx's depend on its version.
func (x *explains) unneeded(t *testing.T, r reasons) {
	t.Helper()
	for kind, why := range r {
		if why["go"] != "" && !x.used[kind] {
			t.Errorf("the reason for %v explains nothing", kind)
		}
	}
}

// stricter says why requests are refused that nginx or Go's server accepts.
var stricter = reasons{
	NotHTTP:        {"go": "hands an HTTP/2 preface to the handler as a request"},
	BadRequestLine: {"nginx": "skips runs of spaces, spaces at the end, and any number of empty lines; RFC 9112 section 3.2 says not to guess at the target"},
	BadVersion:     {"nginx": "reads minor versions of several digits; the grammar has one"},
	BadMethod:      {"nginx": "has no bound on a method", "go": "has no bound on a method"},
	BadTarget: {
		"nginx": "cuts a fragment off itself; takes any scheme in absolute-form",
		"go":    "passes fragments, user information, odd authorities and forms that do not fit the method on",
	},
	BareLF:                 {"nginx": "takes LF for CRLF everywhere", "go": "takes LF for CRLF in heads and trailers; RFC 9112 section 2.2 allows, not demands it, and it is how heads are smuggled"},
	BareCR:                 {"nginx": "skips CRs before an LF"},
	ObsFold:                {"go": "joins folded lines; RFC 9112 section 5.2 lets a server refuse them", "nginx": "does not read trailers"},
	MissingColon:           {"nginx": "drops a line without a colon; does not read trailers"},
	BadFieldName:           {"nginx": "drops fields with odd names"},
	BadFieldValue:          {"nginx": "refuses NUL only"},
	SpaceAroundName:        {"nginx": "does not read trailers", "go": "passes the name on with its space"},
	BadHost:                {"nginx": "checks little more than slashes and dots", "go": "checks the set of characters only"},
	HostMismatch:           {"nginx": "uses the target's host and drops Host, as RFC 9112 section 3.2.2 says; two names in one request serve only to confuse", "go": "as nginx"},
	BadConnection:          {"nginx": "does not read nominations", "go": "does not read nominations"},
	BadContentLength:       {"go": "joins folded lines first"},
	DuplicateContentLength: {"go": "takes equal lengths as one, as RFC 9110 section 8.6 allows; nginx refuses them"},
	CLandTE:                {"go": "lets Transfer-Encoding win; RFC 9112 section 6.1 lets a server refuse"},
	BadTransferEncoding:    {"go": "ignores it in HTTP/1.0; joins folded lines first"},
	BadChunkExtension:      {"nginx": "skips to the line's end", "go": "skips to the line's end"},
	BadChunkEnd:            {"nginx": "takes LF for CRLF"},
}

// TestForwardedCorpus sends every accepted corpus request on, as a proxy would write it,
// to nginx and to Go's server: they refuse it, or understand exactly what we understood,
// and the request behind it too. This is what keeps a smuggled request from existing.
func TestForwardedCorpus(t *testing.T) {
	cases := readCorpus(t, "requests.txt")
	goAddr := startGo(t)
	peers := map[string]string{"go": goAddr}
	if addr := startNginx(t, goAddr); addr != "" {
		peers["nginx"] = addr
	}
	var forwarded atomic.Int32
	each(len(cases), func(i int) {
		c := cases[i]
		r := NewReader(bytes.NewReader(c.raw))
		h, err := r.ReadRequestHead(DefaultLimits())
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body())
		if err != nil {
			return
		}
		forwarded.Add(1)
		host := string(h.Host)
		out := AppendRequestLine(nil, h.Method, h.Target)
		if h.GetID(FieldHost) == nil {
			if host == "" {
				host = "none"
			}
			out = AppendHeader(out, "Host", host)
		}
		out = AppendFields(out, h.Fields)
		if h.Chunked {
			out = AppendEnd(AppendChunked(out))
			out = AppendLastChunk(AppendChunk(out, body), r.Body().Trailers())
		} else {
			out = append(AppendEnd(out), body...)
		}
		want := []string{
			echoText(string(h.Method), string(h.Target), host, body),
			echoText("GET", "/canary", "canary", nil),
		}
		for peer, addr := range peers {
			theirs := exchange(t, addr, append(bytes.Clone(out), canary...))
			if string(h.Target) == "*" && peer == "go" {
				theirs = append(want[:1:1], theirs[1:]...) // which Go's server answers itself
			}
			refused := len(theirs) == 0 || theirs[0] == "!" && (len(theirs) == 1 || theirs[1] == want[1])
			if !refused && !slices.Equal(theirs, want) {
				t.Errorf("line %d, %s: %s understands %q, we %q", c.line, c.name, peer, theirs, want)
			}
		}
	})
	if n := forwarded.Load(); n < 50 {
		t.Errorf("only %d requests were forwarded", n)
	}
}

// each runs f(0) … f(n-1), some at once, for the peers' timeouts add up.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
