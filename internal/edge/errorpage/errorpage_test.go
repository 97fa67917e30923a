package errorpage

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"golang.org/x/net/html"

	"github.com/originward/originward"
)

// forms to ask for, with what must come.
var wants = []struct{ accept, contentType string }{
	{"", "text/html; charset=utf-8"},
	{"*/*", "text/html; charset=utf-8"},
	{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"},
	{"application/json", "application/json; charset=utf-8"},
	{"APPLICATION/JSON", "application/json; charset=utf-8"},
	{"application/problem+json", "application/problem+json"},
	{"text/markdown", "text/markdown; charset=utf-8"},
	{"text/*", "text/markdown; charset=utf-8"},
	{"text/html;q=0.5, application/json", "application/json; charset=utf-8"},
	{"text/html;q=0.5, application/json;q=0.4", "text/html; charset=utf-8"},
	{"application/json, text/html", "application/json; charset=utf-8"},
	{"text/html, application/json", "text/html; charset=utf-8"},
	{"application/json;q=0", "text/html; charset=utf-8"},
	{"application/json;charset=utf-8;q=0.3, text/markdown;q=0.31", "text/markdown; charset=utf-8"},
	{"application/json;q=2, text/markdown;q=0.1", "text/markdown; charset=utf-8"},
	{"application/json;q=, text/markdown;q=0.001", "text/markdown; charset=utf-8"},
	{"image/png", "text/html; charset=utf-8"},
	{";;,,q=1", "text/html; charset=utf-8"},
}

func TestNegotiation(t *testing.T) {
	for _, w := range wants {
		if got := Render(sample(521), w.accept).ContentType; got != w.contentType {
			t.Errorf("Accept %q gives %s, want %s", w.accept, got, w.contentType)
		}
	}
}

// Every code of the one table has a page with that status, and every page has
// every text.
func TestEveryCodeHasAPage(t *testing.T) {
	seen := map[int]bool{}
	for _, p := range originward.Phases() {
		for _, f := range []originward.FaultType{
			originward.DNSError, originward.ProxyLoopDetected, originward.ConnectionLimitReached, originward.DestinationIPUnroutable,
			originward.ConnectionRefused, originward.ConnectionTimeout, originward.TLSCertificateError, originward.TLSProtocolError,
			originward.HTTPResponseTimeout, originward.HTTPResponseTransfer, originward.HTTPProtocolError, originward.HTTPRequestError, originward.HTTPRequestDenied,
		} {
			c := originward.CodeFor(p, f)
			if c.IsZero() || seen[c.Error] {
				continue
			}
			seen[c.Error] = true
			if !Known(c.Error) || Status(c.Error) != c.Status {
				t.Errorf("%s in %s is %d with status %d; the page has %v, %d", f, p, c.Error, c.Status, Known(c.Error), Status(c.Error))
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d codes came out of the table", len(seen))
	}
	for _, c := range codes {
		x := english().code(c.number)
		if x.Title == "" || x.State == "" || x.Happened == "" || len(x.Visitor) == 0 || len(x.Owner) == 0 {
			t.Errorf("%d lacks a text: %+v", c.number, x)
		}
	}
	if n := len(english().Codes); n != len(codes) {
		t.Errorf("%d texts for %d codes", n, len(codes))
	}
}

// Every language says everything, in the same places as English.
func TestLanguages(t *testing.T) {
	for tag, l := range languages() {
		for k := range english().UI {
			if l.UI[k] == "" {
				t.Errorf("%s lacks %s", tag, k)
			}
		}
		for number, x := range l.Codes {
			e := english().Codes[number]
			if x.Title == "" || x.State == "" || x.Happened == "" || len(x.Visitor) != len(e.Visitor) || len(x.Owner) != 0 && len(x.Owner) != len(e.Owner) {
				t.Errorf("%s, %s: %+v", tag, number, x)
			}
		}
		// What a visitor of a working set-up can meet.
		for _, n := range []string{"502", "520", "521", "522", "523", "524", "525", "526", "1015", "1016", "1020"} {
			if l.Codes[n].Title == "" {
				t.Errorf("%s has no text for %s", tag, n)
			}
		}
	}
	for _, tc := range []struct{ accept, lang string }{
		{"", "en"}, {"de", "de"}, {"pt-BR,pt;q=0.9,en;q=0.8", "pt"}, {"nl, fr;q=0.5, es;q=0.7", "es"}, {"ar-EG", "ar"}, {"zh-Hans-CN", "zh"},
		{"de;q=0", "en"}, {"*", "en"}, {strings.Repeat("x,", 4000) + "de", "en"}, {"EN-gb, de", "en"},
	} {
		p := sample(521)
		p.Languages = tc.accept
		r := Render(p, "text/html")
		body := string(r.Body)
		dir := "ltr"
		if tc.lang == "ar" {
			dir = "rtl"
		}
		if r.Language != tc.lang || !strings.Contains(body, `<html lang="`+tc.lang+`" dir="`+dir+`">`) || !strings.Contains(body, languages()[tc.lang].code(521).Title) {
			t.Errorf("%.40q: %s, %.60s", tc.accept, r.Language, body)
		}
		if strings.Contains(body, `<ul lang="en" dir="ltr">`) != (tc.lang != "en") {
			t.Errorf("%.40q: the owner's part in English is not marked", tc.accept)
		}
		if r := Render(p, "application/json"); r.Language != "en" {
			t.Errorf("%.40q: JSON in %s", tc.accept, r.Language)
		}
	}
	p := sample(417) // has no other text
	p.Languages = "de"
	if r := Render(p, ""); r.Language != "en" {
		t.Errorf("a code without a text is told in %s", r.Language)
	}
}

func TestRetryAfterAsDocumented(t *testing.T) {
	for number, want := range map[int]int{
		500: 30, 502: 60, 504: 120, 520: 60, 521: 120, 522: 120, 523: 120, 524: 120, 525: 0, 526: 0, 1004: 120, 1015: 30, 1033: 120, 1200: 60,
	} {
		r := Render(sample(number), "application/json")
		var p problem
		if err := json.Unmarshal(r.Body, &p); err != nil {
			t.Fatal(err)
		}
		header := slices.ContainsFunc(r.Header(), func(h [2]string) bool { return h[0] == "Retry-After" && h[1] == strconv.Itoa(want) })
		if r.RetryAfter != want || p.RetryAfter != want || p.Retryable != (want > 0) || header != (want > 0) {
			t.Errorf("%d: retry after %d, in the body %d, retryable %v, header %v; want %d", number, r.RetryAfter, p.RetryAfter, p.Retryable, header, want)
		}
		if want == 0 && strings.Contains(string(r.Body), "retry_after") {
			t.Errorf("%d: retry_after is there although retrying does not help", number)
		}
	}
	p := sample(1015)
	p.RetryAfter = 7
	if r := Render(p, ""); r.RetryAfter != 7 {
		t.Errorf("a rule's own retry time is lost: %d", r.RetryAfter)
	}
}

func TestJSON(t *testing.T) {
	r := Render(sample(1016), "application/json")
	var m map[string]any
	if err := json.Unmarshal(r.Body, &m); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{
		"type": DocsBase + "1016.md", "title": "Error 1016: The host’s name cannot be resolved", "status": 530.0, "instance": "230b030023ae2822",
		"error_code": 1016.0, "error_name": "origin_dns_error", "error_category": "dns", "ray_id": "230b030023ae2822",
		"timestamp": "2026-11-22T08:00:00Z", "zone": "shop.example", "edge_error": true, "retryable": false, "owner_action_required": true,
	} {
		if m[k] != want {
			t.Errorf("%s is %v, want %v", k, m[k], want)
		}
	}
	for _, k := range []string{"detail", "what_you_should_do", "footer"} {
		if s, _ := m[k].(string); s == "" {
			t.Errorf("%s is missing", k)
		}
	}
	if problem := Render(sample(1016), "application/problem+json"); string(problem.Body) != string(r.Body) {
		t.Error("application/problem+json has other bytes than application/json")
	}
}

func TestMarkdownFrontMatter(t *testing.T) {
	for _, c := range codes {
		p := sample(c.number)
		p.Host = "evil\nstatus: 200\n---\n\"x"
		body := string(Render(p, "text/markdown").Body)
		parts := strings.SplitN(body, "---\n", 3)
		if len(parts) != 3 || parts[0] != "" {
			t.Fatalf("%d: no front matter:\n%s", c.number, body)
		}
		var m map[string]any
		if err := yaml.Unmarshal([]byte(parts[1]), &m); err != nil {
			t.Fatalf("%d: %v\n%s", c.number, err, parts[1])
		}
		if m["status"] != c.status || m["error_code"] != c.number || m["zone"] != p.Host || m["edge_error"] != true {
			t.Errorf("%d: front matter %v", c.number, m)
		}
		for _, want := range []string{"\n# Error " + strconv.Itoa(c.number) + ": ", "\n## What happened\n", "\n## What you can do\n"} {
			if !strings.Contains(parts[2], want) {
				t.Errorf("%d: %q is missing", c.number, want)
			}
		}
	}
}

// TestHTML reads every page with a parser: what is hostile must be text, nothing
// may come from elsewhere, and the hops must be marked.
func TestHTML(t *testing.T) {
	for _, c := range codes {
		p := sample(c.number)
		p.Host = `<script>alert(1)</script>"'>{{.}}`
		r := Render(p, "text/html")
		doc, err := html.Parse(strings.NewReader(string(r.Body)))
		if err != nil {
			t.Fatal(err)
		}
		var classes []string
		var text strings.Builder
		for n := range doc.Descendants() {
			if n.Type == html.TextNode {
				text.WriteString(n.Data)
			}
			if n.Type != html.ElementNode {
				continue
			}
			if slices.Contains([]string{"script", "img", "link", "iframe", "object", "form", "base"}, n.Data) {
				t.Errorf("%d: the page has a <%s>", c.number, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
					t.Errorf("%d: <%s %s>", c.number, n.Data, a.Key)
				}
				if n.Data == "li" && a.Key == "class" {
					classes = append(classes, a.Val)
				}
			}
		}
		if want := []string{"ok", "ok", "ok", "idle", "idle"}; len(classes) != 3 || classes[c.hop-1] != "bad" ||
			!slices.Equal(classes[:c.hop-1], want[:c.hop-1]) || !slices.Equal(classes[c.hop:], want[3:3+3-int(c.hop)]) {
			t.Errorf("%d: hops are %v, want the %d. one bad", c.number, classes, c.hop)
		}
		// Between labels a line may break; that is no text.
		for _, want := range []string{p.Host, p.Ray, "2026-11-22 08:00:00 UTC", "LAB", strconv.Itoa(c.number), english().code(c.number).Title} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%d: %q is not on the page", c.number, want)
			}
		}
		if strings.Contains(strings.ToLower(string(r.Body)), "cloudflare") {
			t.Errorf("%d: the page names another product", c.number)
		}
	}
}

func TestUnknownCodeIsOurOwnFault(t *testing.T) {
	if Known(999) || Known(200) || Known(1016) != true || Known(530) != true {
		t.Error("the known codes are wrong")
	}
	if r := Render(sample(999), ""); r.Status != 500 {
		t.Errorf("status %d, want 500", r.Status)
	}
}

// TestContrast holds the colours to WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for the
// graphics, in light and dark.
func TestContrast(t *testing.T) {
	blocks := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(pageStyle, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d colour schemes found, want light and dark", len(blocks))
	}
	for i, b := range blocks {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--(\w+):#([0-9a-f]+)`).FindAllStringSubmatch(b[1], -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range []struct {
			fore, back string
			min        float64
		}{
			{"ink", "card", 4.5}, {"soft", "card", 4.5}, {"link", "card", 4.5}, {"ok", "card", 4.5}, {"bad", "card", 4.5}, {"idle", "card", 4.5},
			{"bad", "badbg", 4.5}, {"ink", "idlebg", 4.5}, {"ok", "okbg", 3}, {"idle", "idlebg", 3}, {"card", "ok", 3}, {"card", "bad", 3}, {"card", "idle", 3},
		} {
			if got := contrast(t, colour[pair.fore], colour[pair.back]); got < pair.min {
				t.Errorf("scheme %d: %s on %s is %.2f to 1, want %.1f", i, pair.fore, pair.back, got, pair.min)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = strings.Repeat(hex[:1], 2) + strings.Repeat(hex[1:2], 2) + strings.Repeat(hex[2:], 2)
	}
	var rgb [3]int
	if n, err := fmt.Sscanf(hex, "%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); n != 3 {
		t.Fatalf("colour %q: %v", hex, err)
	}
	var l float64
	for i, w := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += w * c
	}
	return l
}

func FuzzRender(f *testing.F) {
	for _, w := range wants {
		f.Add(w.accept, "shop.example")
	}
	f.Add("text/markdown", "a\nb: c\n---")
	f.Fuzz(func(t *testing.T, accept, host string) {
		p := sample(521)
		p.Host = host
		r := Render(p, accept)
		if r.Status != 521 || len(r.Body) == 0 {
			t.Fatalf("status %d, %d bytes", r.Status, len(r.Body))
		}
		if strings.Contains(r.ContentType, "json") && !json.Valid(r.Body) {
			t.Fatalf("invalid JSON: %q", r.Body)
		}
	})
}

func BenchmarkHTML(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Render(sample(521), "text/html")
	}
}
