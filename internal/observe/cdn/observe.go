package cdn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/escape"
)

// Ask is what is asked of the API.
type Ask struct {
	CDN    string     // whose API it is: one of CDNs; empty = its host tells
	Base   string     // API's URL, with or without its path; empty = where the CDN has it
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
	from     provider
	provider string // its id
	account  string // of the zone; empty = not known
	zoneName string
	// Written and read by the look at records alone.
	recorded bool   // the name has a record of its own
	balancer string // id of the load balancer that takes the name; empty = none is known

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
	p := o.from
	id, ok := o.found(ctx)
	if !ok {
		return o.seen, o.missing, nil
	}
	var wg sync.WaitGroup
	for _, part := range p.parts {
		wg.Go(func() { part(o, ctx, id) })
	}
	wg.Wait()
	return o.seen, o.missing, nil
}

// found finds what holds the host, unless the token is worth nothing.
func (o *observer) found(ctx context.Context) (id string, ok bool) {
	worth := make(chan string, 1)
	go func() { worth <- o.worthless(ctx) }()
	id, ok = o.from.find(o, ctx)
	if why := <-worth; why != "" {
		o.seen, o.missing, ok = nil, nil, false // what came of it is its fault
		o.miss("", why, "give a valid token with --cdn-token-file")
	}
	return id, ok
}

func newObserver(a Ask) (*observer, error) {
	from, base, err := resolve(a.CDN, a.Base)
	if err != nil {
		return nil, err
	}
	a.Base = base
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.HTTP == nil {
		// No redirect is followed: the token is for this API only.
		a.HTTP = &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	o := &observer{Ask: a, from: from, provider: from.id}
	o.opts = []option.RequestOption{
		option.WithBaseURL(base), option.WithHTTPClient(a.HTTP), option.WithMaxRetries(1), option.WithRequestTimeout(timeout),
	}
	if a.Token != "" {
		o.opts = append(o.opts, option.WithAPIToken(a.Token))
	}
	return o, nil
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

// errNothing says that an answer holds no result.
var errNothing = errors.New("the answer holds no result")

// call runs one SDK call and gives its HTTP status; 0 = no answer came.
func call[T any](o *observer, f func(opts ...option.RequestOption) (*T, error)) (res *T, status int, err error) {
	var resp *http.Response
	opts := append(append([]option.RequestOption{}, o.opts...), option.WithResponseInto(&resp))
	res, err = f(opts...)
	if resp != nil {
		status = resp.StatusCode
	}
	if err == nil && res == nil {
		err = errNothing
	}
	return res, status, err
}

// reproduce is the command that shows a GET again; the token is named, never
// shown.
func (o *observer) reproduce(path string) string {
	cmd := "curl -s " + escape.Shell(o.Base+path)
	switch {
	case o.Token == "":
	case o.provider == fastly:
		cmd += ` -H "Fastly-Key: $FASTLY_API_TOKEN"`
	default:
		cmd += ` -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN"`
	}
	return cmd
}
