package edge

import (
	"fmt"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/geo"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/edge/waf"
)

// LoadConfig reads a configuration file and checks all of it, the rules'
// expressions too. Its error names every problem with file and line.
func LoadConfig(path string) (*config.Config, error) {
	return Loader().Load(path)
}

// Loader is the configuration's loader with the rules language wired in.
func Loader() config.Loader {
	var seen lists
	return config.Loader{
		CheckExpression: func(src string, use config.Use) error {
			o, err := seen.options(use)
			if err != nil {
				return err
			}
			if use.Value {
				_, err := rules.CompileValue(src, o)
				return err
			}
			_, err = rules.CompileWith(src, o)
			return err
		},
		CheckList: func(l config.List) error {
			_, err := rules.NewList(rules.ListKind(l.Kind), l.Items)
			return err
		},
		CheckGeo: func(g config.Geo) error {
			_, err := geo.Open(g.Country, g.ASN)
			return err
		},
	}
}

// lists remembers compiled lists: a file has many expressions and few lists.
type lists struct {
	of  []config.List
	all map[string]*rules.List
}

func (s *lists) options(use config.Use) (rules.Options, error) {
	if len(s.of) != len(use.Lists) {
		s.of, s.all = use.Lists, map[string]*rules.List{}
		for _, l := range use.Lists {
			x, err := rules.NewList(rules.ListKind(l.Kind), l.Items)
			if err != nil {
				return rules.Options{}, fmt.Errorf("list %s: %w", l.Name, err)
			}
			s.all[l.Name] = x
		}
	}
	return rules.Options{Lists: s.all, Response: use.Response, NoPlaces: !use.Places}, nil
}

// compiler turns rules as written into rules that run.
type compiler struct {
	lists lists
	cfg   *config.Config
	zone  string
	ids   map[string]int
	err   error // the first failure; the loader has found them all before
	// judges are the managed rule sets in use by their settings; lent are those of the
	// state before.
	judges, lent map[waf.Settings]*waf.Rules
}

// newCompiler makes one that uses again what old, which may be nil, has compiled.
func newCompiler(cfg *config.Config, old *state) *compiler {
	c := &compiler{cfg: cfg, judges: map[waf.Settings]*waf.Rules{}}
	if old != nil {
		c.lent = old.compiler.judges
	}
	return c
}

// options are what an expression may use.
func (c *compiler) options(response bool) rules.Options {
	o, err := c.lists.options(config.Use{
		Response: response, Lists: c.cfg.Lists, Places: c.cfg.Geo.Country != "" || c.cfg.Geo.ASN != "",
	})
	c.failed(0, err)
	return o
}

func (c *compiler) failed(line int, err error) {
	if err == nil || c.err != nil {
		return
	}
	if line > 0 {
		err = fmt.Errorf("rule in line %d: %w", line, err)
	}
	c.err = err
}

// set compiles a zone's rules.
func (c *compiler) set(z config.Zone) (rules.Set, error) {
	c.zone, c.ids, c.err = z.Name, map[string]int{}, nil
	set := rules.Set{
		Redirects:       convert(c, z.Rules.Redirects, "http_request_dynamic_redirect", (*compiler).redirect),
		Rewrites:        convert(c, z.Rules.URLRewrites, "http_request_transform", (*compiler).rewrite),
		Config:          convert(c, z.Rules.Config, "http_config_settings", (*compiler).config),
		Cache:           convert(c, z.Rules.Cache, "http_request_cache_settings", (*compiler).cache),
		Origin:          convert(c, z.Rules.Origin, "http_request_origin", (*compiler).origin),
		Custom:          convert(c, z.Rules.Custom, "http_request_firewall_custom", (*compiler).custom),
		RateLimits:      convert(c, z.Rules.RateLimits, "http_ratelimit", (*compiler).rateLimit),
		Managed:         convert(c, z.Rules.Managed, "http_request_firewall_managed", (*compiler).managed),
		RequestHeaders:  convert(c, z.Rules.RequestHeaders, "http_request_late_transform", (*compiler).header),
		Errors:          convert(c, z.Rules.Errors, "http_custom_errors", (*compiler).serveError),
		ResponseHeaders: convert(c, z.Rules.ResponseHeaders, "http_response_headers_transform", (*compiler).responseHeader),
	}
	// Rules for every zone come after the zone's own, which go before them.
	set.Errors = append(set.Errors, convert(c, c.cfg.CustomErrors, "http_custom_errors", (*compiler).serveError)...)
	c.products(z.Rules, &set)
	if c.err != nil {
		return rules.Set{}, c.err
	}
	return set, nil
}

// written is a rule as written, of any phase.
type written interface {
	config.Rule | config.ConfigRule | config.CacheRule | config.RedirectRule | config.RewriteRule | config.OriginRule | config.RateLimit | config.ManagedRule | config.HeaderRule | config.ErrorRule
}

func convert[W written, R any](c *compiler, list []W, phase string, one func(*compiler, string, W) R) []R {
	var out []R
	for _, w := range list {
		out = append(out, one(c, phase, w))
	}
	return out
}

// head compiles what rules of all phases share.
func (c *compiler) head(phase string, r config.Rule, response bool) rules.Head {
	e, err := rules.CompileWith(r.Expression, c.options(response))
	c.failed(r.Line, err)
	a, err := rules.ParseAction(r.Action)
	c.failed(r.Line, err)
	return rules.Head{ID: c.id(r.ID, phase, r.Expression, r.Action), Description: r.Description, Expression: e, Action: a, Enabled: r.Enabled}
}

// id is the rule's own, or one derived from what it says. Two rules that say the
// same are told apart by their order.
func (c *compiler) id(own string, parts ...string) string {
	if own != "" {
		return own
	}
	key := rules.ID(append([]string{c.zone}, parts...)...)
	n := c.ids[key]
	c.ids[key]++
	if n > 0 {
		return rules.ID(key, fmt.Sprint(n))
	}
	return key
}

func (c *compiler) value(v config.Value, line int, response bool) rules.Value {
	if v.Expression == "" {
		return rules.Text(v.Text)
	}
	x, err := rules.CompileValue(v.Expression, c.options(response))
	c.failed(line, err)
	return x
}

func ownResponse(r *config.Response) *rules.Response {
	if r == nil {
		return nil
	}
	return &rules.Response{Status: r.Status, ContentType: r.ContentType, Body: r.Content}
}

func (c *compiler) custom(phase string, r config.Rule) rules.Rule {
	out := rules.Rule{Head: c.head(phase, r, false), Response: ownResponse(r.Response), Silent: r.Silent}
	if out.Action != rules.Skip {
		return out
	}
	out.Skipped.Custom = len(r.SkipPhases) == 0 && len(r.SkipProducts) == 0
	for _, p := range r.SkipPhases {
		out.Skipped.Custom = out.Skipped.Custom || p == "current"
		out.Skipped.RateLimits = out.Skipped.RateLimits || p == "http_ratelimit"
		out.Skipped.Managed = out.Skipped.Managed || p == "http_request_firewall_managed"
	}
	for _, p := range r.SkipProducts {
		out.Skipped.Agents = out.Skipped.Agents || p == "uaBlock"
		out.Skipped.Hotlinks = out.Skipped.Hotlinks || p == "hot"
	}
	return out
}

func (c *compiler) origin(phase string, r config.OriginRule) rules.OriginRule {
	return rules.OriginRule{
		Head:    c.head(phase, r.Rule, false),
		Routing: rules.Routing{HostHeader: r.HostHeader, SNI: r.SNI, Host: r.Host, Port: r.Port},
	}
}

func (c *compiler) redirect(phase string, r config.RedirectRule) rules.RedirectRule {
	return rules.RedirectRule{Head: c.head(phase, r.Rule, false), Target: c.value(r.Target, r.Line, false), Status: r.Status, PreserveQuery: r.PreserveQuery}
}

func (c *compiler) rewrite(phase string, r config.RewriteRule) rules.RewriteRule {
	out := rules.RewriteRule{Head: c.head(phase, r.Rule, false)}
	part := func(v *config.Value) *rules.Value {
		if v == nil {
			return nil
		}
		x := c.value(*v, r.Line, false)
		return &x
	}
	out.Path, out.Query = part(r.Path), part(r.Query)
	return out
}

func (c *compiler) header(phase string, r config.HeaderRule) rules.HeaderRule {
	return c.headerRule(phase, r, false)
}

func (c *compiler) responseHeader(phase string, r config.HeaderRule) rules.HeaderRule {
	return c.headerRule(phase, r, true)
}

func (c *compiler) headerRule(phase string, r config.HeaderRule, response bool) rules.HeaderRule {
	out := rules.HeaderRule{Head: c.head(phase, r.Rule, response)}
	for _, h := range r.Changes {
		out.Changes = append(out.Changes, rules.HeaderChange{Name: h.Name, Do: rules.Operation(h.Operation), Value: c.value(h.Value, r.Line, response)})
	}
	return out
}

func (c *compiler) serveError(phase string, r config.ErrorRule) rules.ErrorRule {
	return rules.ErrorRule{Head: c.head(phase, r.Rule, true), Response: rules.Response{Status: r.Status, ContentType: r.ContentType, Body: r.Content}}
}

func (c *compiler) config(phase string, r config.ConfigRule) rules.ConfigRule {
	return rules.ConfigRule{Head: c.head(phase, r.Rule, false), Settings: rules.Settings{SSL: r.SSL, Hotlink: r.Hotlink}}
}

func (c *compiler) cache(phase string, r config.CacheRule) rules.CacheRule {
	return rules.CacheRule{Head: c.head(phase, r.Rule, false), Caching: rules.Caching{
		Keep: r.Keep, IgnoreQuery: r.IgnoreQuery, EdgeTTL: r.EdgeTTL, BrowserTTL: r.BrowserTTL, OnlyAsked: r.OnlyAsked,
	}}
}
