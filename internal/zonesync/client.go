package zonesync

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
	"strings"
	"time"
)

// Client speaks with a control API.
type Client struct {
	Base  string       // for example http://127.0.0.1:8520/client/v4
	Token string       // empty = none is sent
	HTTP  *http.Client // nil = one with a timeout
}

// maxAnswer bounds one answer of the API.
const maxAnswer = 64 << 20

// defaultHTTP is patient: large zones take their time.
var defaultHTTP = &http.Client{Timeout: time.Minute}

// do makes one call and reads its result into out, which may be nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	return c.ask(ctx, method, path, in, out, nil)
}

// ask is do that reads result_info, too.
func (c *Client) ask(ctx context.Context, method, path string, in, out, info any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+path, body)
	if err != nil {
		return err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	h := c.HTTP
	if h == nil {
		h = defaultHTTP
	}
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	var e struct {
		Success bool
		Errors  []struct {
			Code    int
			Message string
			Source  struct{ Pointer string }
		}
		Result json.RawMessage
		Info   json.RawMessage `json:"result_info"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("%s %s: %d, and no answer of a control API", method, path, resp.StatusCode)
	}
	if !e.Success {
		var errs []error
		for _, x := range e.Errors {
			at := ""
			if x.Source.Pointer != "" {
				at = " at " + x.Source.Pointer
			}
			errs = append(errs, fmt.Errorf("%s (%d)%s", x.Message, x.Code, at))
		}
		return &refused{resp.StatusCode, fmt.Errorf("%s %s: %w", method, path, errors.Join(errs...))}
	}
	if info != nil && e.Info != nil {
		if err := json.Unmarshal(e.Info, info); err != nil {
			return err
		}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(e.Result, out)
}

// refused is an error that the API answered.
type refused struct {
	status int
	err    error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// pageSize is how many are asked for at once.
const pageSize = 1000

// all reads every page of a list.
func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var out []T
	for page := 1; ; page++ {
		var part []T
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		if err := c.do(ctx, http.MethodGet, fmt.Sprintf("%s%spage=%d&per_page=%d", path, sep, page, pageSize), nil, &part); err != nil {
			return nil, err
		}
		out = append(out, part...)
		if len(part) < pageSize {
			return out, nil
		}
	}
}

type apiZone struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Paused bool   `json:"paused"`
	Meta   struct {
		File bool `json:"originward_file"`
	} `json:"meta"`
}

type apiRecord struct {
	ID       string   `json:"id,omitempty"`
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Content  string   `json:"content"`
	Priority *int     `json:"priority,omitempty"`
	Proxied  bool     `json:"proxied"`
	TTL      int      `json:"ttl"`
	Comment  string   `json:"comment"`
	Tags     []string `json:"tags"`
}

// Read reads the zones of an edge that can be changed through its API; names
// selects some of them, none all.
func (c *Client) Read(ctx context.Context, names ...string) (*Document, error) {
	zones, err := all[apiZone](ctx, c, "/zones")
	if err != nil {
		return nil, err
	}
	d := &Document{Zones: []Zone{}}
	if d.Lists, err = c.readLists(ctx); err != nil {
		return nil, err
	}
	pools, poolNames, err := c.readPools(ctx)
	if err != nil {
		return nil, err
	}
	for _, z := range zones {
		if z.Meta.File || len(names) > 0 && !contains(names, z.Name) {
			continue
		}
		x, err := c.readZone(ctx, z)
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", z.Name, err)
		}
		if x.LoadBalancers, err = c.readBalancers(ctx, z.ID, poolNames); err != nil {
			return nil, fmt.Errorf("zone %s: %w", z.Name, err)
		}
		d.Zones = append(d.Zones, x)
	}
	if d.Pools = pools; len(names) > 0 {
		d.Pools = slices.DeleteFunc(pools, func(p Object) bool { return !d.uses(p.str("name")) })
	}
	return d, nil
}

// uses tells whether a load balancer of the document has a pool.
func (d *Document) uses(pool string) bool {
	for _, z := range d.Zones {
		for _, b := range z.LoadBalancers {
			list, _ := b["default_pools"].([]any)
			if b.str("fallback_pool") == pool || slices.Contains(list, any(pool)) {
				return true
			}
		}
	}
	return false
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(strings.TrimSuffix(n, "."), name) {
			return true
		}
	}
	return false
}

func (c *Client) readZone(ctx context.Context, z apiZone) (Zone, error) {
	out := Zone{Name: z.Name, Paused: z.Paused, Settings: map[string]any{}, Records: []Record{}, Rulesets: map[string][]Rule{}, id: z.ID}
	base := "/zones/" + url.PathEscape(z.ID)
	var settings []struct {
		ID       string
		Value    any
		Editable bool
	}
	if err := c.do(ctx, http.MethodGet, base+"/settings", nil, &settings); err != nil {
		return out, err
	}
	for _, s := range settings {
		if s.Editable {
			out.Settings[s.ID] = s.Value
		}
	}
	records, err := all[apiRecord](ctx, c, base+"/dns_records")
	if err != nil {
		return out, err
	}
	for _, r := range records {
		x := Record{r.Name, r.Type, r.Content, r.Priority, r.Proxied, r.TTL, r.Comment, r.Tags, r.ID}
		x.normal(z.Name)
		out.Records = append(out.Records, x)
	}
	var sets []struct{ ID, Phase string }
	if err := c.do(ctx, http.MethodGet, base+"/rulesets", nil, &sets); err != nil {
		return out, err
	}
	for _, s := range sets {
		var set struct{ Rules []Rule }
		if err := c.do(ctx, http.MethodGet, base+"/rulesets/"+url.PathEscape(s.ID), nil, &set); err != nil {
			return out, err
		}
		if len(set.Rules) > 0 {
			out.Rulesets[s.Phase] = plainRules(set.Rules)
		}
	}
	return out, c.readEntries(ctx, base, &out)
}

func plainRules(rules []Rule) []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = r.plain()
	}
	return out
}
