package cdn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/escape"
)

// Ask is what is asked of the API.
type Ask struct {
	Base   string     // API base, with or without the path "/client/v4"
	Token  string     // bearer token; empty = none is sent
	Host   string     // site's name
	Method string     // of the failing request; empty = GET
	Path   string     // of the failing request, with query; empty = "/"
	HTTPS  bool       // the visitor uses https
	Port   uint16     // the visitor's port; 0 = the scheme's own
	Client netip.Addr // visitor's address as the edge sees it; zero = not known
	Agent  string     // visitor's User-Agent

	Now  func() time.Time // nil = time.Now
	HTTP *http.Client     // nil = one of our own
}

// timeout bounds one call; a whole look is six rounds of them.
const timeout = 5 * time.Second

// observer holds one look at the API.
type observer struct {
	Ask
	opts     []option.RequestOption
	provider string
	account  string // of the zone; empty = not known
	zoneName string

	mu      sync.Mutex
	seen    []originward.Evidence    // guarded by mu
	missing []originward.NotObserved // guarded by mu
}

// Observe asks everything that bears on the site. Its error is about the
// arguments; what could not be read is in the second result.
func Observe(ctx context.Context, a Ask) ([]originward.Evidence, []originward.NotObserved, error) {
	o, err := newObserver(a)
	if err != nil {
		return nil, nil, err
	}
	worth := make(chan string, 1)
	go func() { worth <- o.worthless(ctx) }()
	zone, ok := o.zone(ctx)
	if why := <-worth; why != "" {
		o.seen, o.missing, ok = nil, nil, false // what came of it is its fault
		o.miss("", why, "give a valid token with --cdn-token-file")
	}
	if !ok {
		return o.seen, o.missing, nil
	}
	var wg sync.WaitGroup
	for _, ask := range []func(context.Context, string){o.records, o.settings, o.rules, o.events, o.changes, o.stats} {
		wg.Go(func() { ask(ctx, zone) })
	}
	wg.Wait()
	return o.seen, o.missing, nil
}

func newObserver(a Ask) (*observer, error) {
	base, err := BaseURL(a.Base)
	if err != nil {
		return nil, err
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.HTTP == nil {
		a.HTTP = &http.Client{Timeout: timeout}
	}
	o := &observer{Ask: a, provider: providerOf(base)}
	o.opts = []option.RequestOption{
		option.WithBaseURL(base), option.WithHTTPClient(a.HTTP), option.WithMaxRetries(1), option.WithRequestTimeout(timeout),
	}
	if a.Token != "" {
		o.opts = append(o.opts, option.WithAPIToken(a.Token))
	}
	return o, nil
}

// BaseURL completes the base of an API of Cloudflare's form.
func BaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("CDN API %q: give its URL, for example https://api.cloudflare.com/client/v4", s)
	}
	if u.User != nil {
		return "", fmt.Errorf("CDN API %s: leave the user name and password out of the URL; the token goes into a file", u.Host)
	}
	path := strings.TrimSuffix(u.Path, "/")
	if path == "" {
		path = "/client/v4"
	}
	u.Path, u.RawQuery, u.Fragment = path+"/", "", ""
	return u.String(), nil
}

// ownEdge is what an edge of our own is called.
const ownEdge = "originward"

// providerOf names whose API it is, by its host.
func providerOf(base string) string {
	u, _ := url.Parse(base) // base was made by BaseURL
	if strings.HasSuffix(u.Hostname(), "cloudflare.com") {
		return "cloudflare"
	}
	return ownEdge
}

func (o *observer) add(f originward.Fact, s originward.Subject, text, reproduce string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, originward.Evidence{
		Vantage: originward.CDN, Question: f.Question(), At: o.Now().UTC(), Subject: s, Fact: f, Text: text, Reproduce: reproduce,
	})
}

func (o *observer) miss(q originward.Question, why, how string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.missing = append(o.missing, originward.NotObserved{Vantage: originward.CDN, Question: q, Why: why, How: how})
}

// failed says why a call gave nothing. permission is what the token would need.
func (o *observer) failed(q originward.Question, what string, status int, err error, permission string) {
	switch status {
	case http.StatusUnauthorized:
		o.miss(q, "the CDN's API does not accept the token", "give a valid token with --cdn-token-file")
	case http.StatusForbidden:
		o.miss(q, "the token may not read "+what, "give the token the permission "+permission)
	case 0, http.StatusOK: // no answer, or one that is none
		o.miss(q, "the CDN's API did not answer as it should: "+escape.Line(rootCause(err), 200), "check --cdn-api and that this machine reaches it")
	default:
		o.miss(q, fmt.Sprintf("the CDN's API answered %d for %s", status, what), "")
	}
}

// rootCause is the innermost error's text: the outer ones repeat the URL.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// call runs one SDK call and gives its HTTP status; 0 = no answer came.
func call[T any](o *observer, f func(opts ...option.RequestOption) (T, error)) (res T, status int, err error) {
	var resp *http.Response
	opts := append(append([]option.RequestOption{}, o.opts...), option.WithResponseInto(&resp))
	res, err = f(opts...)
	if resp != nil {
		status = resp.StatusCode
	}
	return res, status, err
}

// reproduce is the command that shows a GET again; the token is named, never
// shown.
func (o *observer) reproduce(path string) string {
	base, _ := BaseURL(o.Base) // was accepted before
	cmd := "curl -s " + escape.Shell(base+path)
	if o.Token != "" {
		cmd += ` -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN"`
	}
	return cmd
}
