package viaedge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// API is an edge's control API, of which the edge's own record is asked. It is
// an extension of Originward's edge; Cloudflare has nothing like it.
type API struct {
	// Base is the API's URL, with or without /client/v4.
	Base string
	// Token is sent as a bearer token; empty = none.
	Token string
	// Client is nil for one with the timeouts of a diagnosis.
	Client *http.Client
}

// ErrNoRecord means that the API answers and has no record of exchanges.
var ErrNoRecord = errors.New("this CDN's API has no record of exchanges with origins")

// ErrDenied means that the API does not let the token read.
var ErrDenied = errors.New("the API refuses the token")

// Bounds of a record.
const (
	maxRecord  = 4 << 20
	maxItems   = 200
	maxRays    = 3
	apiTimeout = 2 * time.Second // an edge answers from memory
)

// envelope is the shape of every answer of Cloudflare's API v4.
type envelope struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Result *fact.EdgeRecord `json:"result"`
}

// exchanges asks for the recent exchanges of a host.
func (a *API) exchanges(ctx context.Context, host string) (*fact.EdgeRecord, error) {
	return a.get(ctx, "/originward/exchanges?"+url.Values{"host": {host}, "limit": {strconv.Itoa(maxItems)}}.Encode())
}

// ray asks for the exchange of one ray.
func (a *API) ray(ctx context.Context, ray string) (*fact.EdgeRecord, error) {
	return a.get(ctx, "/originward/rays/"+url.PathEscape(ray))
}

func (a *API) get(ctx context.Context, path string) (*fact.EdgeRecord, error) {
	base, err := url.Parse(a.Base)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("CDN API %q: give a URL, for example http://127.0.0.1:8520", a.Base)
	}
	if base.Hostname() == "api.cloudflare.com" {
		return nil, ErrNoRecord
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root(base)+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := a.client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readRecord(resp)
}

// root is where the API's paths begin, whether or not the base names it.
func root(base *url.URL) string {
	return base.Scheme + "://" + base.Host + strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/client/v4") + "/client/v4"
}

// client does not follow redirects: the token is for this API only.
func (a *API) client() *http.Client {
	if a.Client != nil {
		return a.Client
	}
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func readRecord(resp *http.Response) (*fact.EdgeRecord, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRecord+1))
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return nil, ErrNoRecord
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, ErrDenied
	default:
		return nil, fmt.Errorf("the API answers %d: %s", resp.StatusCode, escape.Bytes(bytes.TrimSpace(body), 120))
	}
	if len(body) > maxRecord {
		return nil, fmt.Errorf("the API's record is larger than %d MiB", maxRecord>>20)
	}
	return parseRecord(body)
}

func parseRecord(body []byte) (*fact.EdgeRecord, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("the API's answer is not what an edge gives: %w", err)
	}
	if !e.Success || e.Result == nil {
		why := "no result"
		if len(e.Errors) > 0 {
			why = escape.Line(e.Errors[0].Message, 120)
		}
		return nil, fmt.Errorf("the API refuses: %s", why)
	}
	rec := e.Result
	rec.Items = rec.Items[:min(len(rec.Items), maxItems)]
	rec.Waiting = rec.Waiting[:min(len(rec.Waiting), maxItems)]
	for _, list := range [][]fact.EdgeExchange{rec.Items, rec.Waiting} {
		for i := range list {
			x := &list[i]
			for _, s := range []*string{&x.Ray, &x.Host, &x.Name, &x.Scheme, &x.Detail, &x.Errno, &x.Rule} {
				*s = escape.Line(*s, 200)
			}
		}
	}
	return rec, nil
}

// Readings of the record after a visit that we gave up, and the pause between
// them: such an exchange is on record as waiting until the edge sees that we left.
const (
	readings     = 3
	betweenReads = 40 * time.Millisecond
)

// settled reads the record, and once more while visits that we gave up are not
// in it.
func (r *run) settled(ctx context.Context, before *fact.EdgeRecord) (*fact.EdgeRecord, error) {
	visits, left := 0, false
	for _, d := range r.doors {
		for _, v := range d.answers {
			visits++
			left = left || v.answer.Status == 0 && v.answer.Failure != nil && v.answer.Failure.Ended == "timeout"
		}
	}
	for i := 1; ; i++ {
		rec, err := r.ask.API.exchanges(ctx, r.ask.Host)
		if err != nil || !left || i == readings || unknown(rec, before) >= visits {
			return rec, err
		}
		select {
		case <-ctx.Done():
			return rec, nil
		case <-time.After(betweenReads):
		}
	}
}

// unknown counts the exchanges that a record did not hold before.
func unknown(rec, before *fact.EdgeRecord) int {
	known := map[string]bool{}
	if before != nil {
		for _, x := range before.Items {
			known[x.Ray] = true
		}
	}
	n := 0
	for _, list := range [][]fact.EdgeExchange{rec.Items, rec.Waiting} {
		for _, x := range list {
			if !known[x.Ray] {
				n++
			}
		}
	}
	return n
}

// record reads the edge's record after the visits, adds the rays of failed
// visits that it does not hold, and makes evidence of it. before is the record
// as it was before the visits, nil when it could not be read; it holds when the
// second reading fails.
func (r *run) record(ctx context.Context, before *fact.EdgeRecord) *fact.EdgeRecord {
	rec, err := r.settled(ctx, before)
	if err != nil && before != nil {
		rec, err = before, nil
	}
	if err != nil {
		r.noRecord(err)
		return nil
	}
	rec.Items = stale(rec.Items, before, r.rays())
	for _, ray := range r.failedRays(rec) {
		if one, err := r.ask.API.ray(ctx, ray); err == nil {
			rec.Items = append(one.Items, rec.Items...)
		}
	}
	if rec.Items == nil {
		rec.Items = []fact.EdgeExchange{}
	}
	r.add(originward.Evidence{
		Question: fact.QEdgeRecord, At: r.ask.Now().UTC(), Subject: originward.Subject{Host: r.ask.Host}, Fact: *rec,
		Text: textRecord(r.ask.Host, rec), Reproduce: r.ask.API.reproduce(r.ask.Host),
	})
	return rec
}

// recently is how long before our first visit an exchange may lie and still be
// taken for one of now, clocks that differ included.
const recently = 10 * time.Second

// stale leaves out exchanges from just before our visits. The edge had them on
// record when we began, so they say how things were, for example before the
// repair that is being checked; further back they are history, and stay.
// Without a visit of ours on record all stay. Only the edge's clock is looked
// at.
func stale(items []fact.EdgeExchange, before *fact.EdgeRecord, own map[string]bool) []fact.EdgeExchange {
	var first time.Time
	for _, x := range items {
		if own[bare(x.Ray)] && (first.IsZero() || x.At.Before(first)) {
			first = x.At
		}
	}
	if before == nil || first.IsZero() {
		return items
	}
	known := map[string]bool{}
	for _, x := range before.Items {
		known[x.Ray] = true
	}
	return slices.DeleteFunc(slices.Clone(items), func(x fact.EdgeExchange) bool {
		return known[x.Ray] && !own[bare(x.Ray)] && first.Sub(x.At) < recently
	})
}

// rays are those of our own visits.
func (r *run) rays() map[string]bool {
	out := map[string]bool{}
	for _, d := range r.doors {
		for _, v := range d.answers {
			if v.answer.Ray != "" {
				out[v.answer.Ray] = true
			}
		}
	}
	return out
}

// bare is a ray without the place.
func bare(ray string) string {
	ray, _, _ = strings.Cut(ray, "-")
	return ray
}

// reproduce is a shell command that asks again; the token is the reader's own.
func (a *API) reproduce(host string) string {
	base, err := url.Parse(a.Base)
	if err != nil {
		return ""
	}
	return escape.Shell("curl", "-s", "-H", "Authorization: Bearer TOKEN", root(base)+"/originward/exchanges?host="+url.QueryEscape(host))
}

// failedRays are rays of visits that failed at the edge and are not in rec.
func (r *run) failedRays(rec *fact.EdgeRecord) []string {
	var out []string
	for _, d := range r.doors {
		for _, v := range d.answers {
			ray := v.answer.Ray
			if v.answer.EdgeMade != fact.Yes || ray == "" || slices.Contains(out, ray) || len(out) >= maxRays {
				continue
			}
			if !slices.ContainsFunc(rec.Items, func(x fact.EdgeExchange) bool { return strings.HasPrefix(x.Ray, ray) }) {
				out = append(out, ray)
			}
		}
	}
	return out
}

func (r *run) noRecord(err error) {
	n := originward.NotObserved{
		Question: fact.QEdgeRecord, Subject: originward.Subject{Host: r.ask.Host},
		Why: "the edge's own record was not read: " + escape.Line(err.Error(), 200),
		How: "check --cdn-api and --cdn-token-file",
	}
	if errors.Is(err, ErrNoRecord) {
		n.How = "only an Originward edge keeps such a record; the CDN's support can look up the ray"
	}
	r.lack(n)
}

func textRecord(host string, rec *fact.EdgeRecord) string {
	counts := map[string]int{}
	for _, x := range rec.Items {
		k := strconv.Itoa(x.Code)
		if x.Fault != "" {
			k += " " + string(x.Fault)
		}
		if x.Left {
			k += " (" + x.Detail + ")"
		}
		counts[k]++
	}
	for _, x := range rec.Waiting {
		counts[fmt.Sprintf("under way (%s: %s)", x.Phase, x.Detail)]++
	}
	var words []string
	for k, n := range counts {
		words = append(words, fmt.Sprintf("%d × %s", n, k))
	}
	slices.Sort(words)
	if len(words) == 0 {
		words = []string{"none"}
	}
	return escape.Line(fmt.Sprintf("the edge's record of its exchanges for %s: %s; it fetches from %d addresses", host, strings.Join(words, ", "), len(rec.Egress)), maxSentence)
}
