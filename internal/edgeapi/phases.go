package edgeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/store"
)

// phase is a phase of rules that the edge runs.
type phase struct {
	name string // of Cloudflare's API
	key  string // in the configuration's rules
}

// phases lists the phases; to add one that the configuration has is one line.
var phases = []phase{
	{"http_request_dynamic_redirect", "redirects"},
	{"http_request_transform", "url_rewrites"},
	{"http_config_settings", "config"},
	{"http_request_origin", "origin"},
	{"http_request_firewall_custom", "custom"},
	{"http_ratelimit", "rate_limits"},
	{"http_request_firewall_managed", "managed"},
	{"http_request_late_transform", "request_headers"},
	{"http_request_cache_settings", "cache"},
	{"http_custom_errors", "custom_errors"},
	{"http_response_headers_transform", "response_headers"},
}

func phaseOf(name string) (phase, bool) {
	for _, p := range phases {
		if p.name == name {
			return p, true
		}
	}
	return phase{}, false
}

// rulesetBody is a ruleset in the store.
type rulesetBody struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Rules       []rule `json:"rules"`
}

// rule is a rule as the client wrote it, with id, ref, version and time.
type rule map[string]any

// onlyAPI are fields of a rule that mean nothing to the edge.
var onlyAPI = []string{"ref", "version", "last_updated", "categories"}

// forConfig is the rule in the configuration's form.
func (r rule) forConfig() map[string]any {
	out := maps.Clone(map[string]any(r))
	for _, k := range onlyAPI {
		delete(out, k)
	}
	for k, v := range out {
		if v == nil || v == "" {
			delete(out, k)
		}
	}
	return out
}

func (r rule) id() string { s, _ := r["id"].(string); return s }

// rulesetIn is a ruleset as a client writes it.
type rulesetIn struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Kind        string `json:"kind,omitempty"`  // zone
	Phase       string `json:"phase,omitempty"` // of a new one
	Rules       []rule `json:"rules"`
}

type rulesetOut struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Kind        string     `json:"kind"`
	Phase       string     `json:"phase"`
	Version     string     `json:"version"`
	LastUpdated *time.Time `json:"last_updated"`
	Rules       []rule     `json:"rules,omitempty"`
}

// maxRules bounds a ruleset (Cloudflare's largest plan: 1,000 custom rules).
const maxRules = 1000

const codeRuleset = 20000

func showRuleset(o store.Object) (rulesetOut, error) {
	var b rulesetBody
	err := json.Unmarshal(o.Body, &b)
	return rulesetOut{o.ID, b.Name, b.Description, "zone", o.Name, strconv.FormatInt(o.Version, 10), &o.Modified, b.Rules}, err
}

func rulesetReply(o store.Object) (*reply, error) {
	out, err := showRuleset(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

// listRulesets names the zone's rulesets.
func (a *API) listRulesets(c *call) (*reply, error) {
	if c.zone.file != nil {
		return a.rulesets(c.Request)
	}
	out := []rulesetOut{}
	err := a.view(c, func(t *store.Tx) error {
		all, err := t.Objects(kindRuleset, c.zone.id)
		for _, o := range all {
			x, err := showRuleset(o)
			if err != nil {
				return err
			}
			x.Rules = nil
			out = append(out, x)
		}
		return err
	})
	return &reply{result: out}, err
}

func noRuleset(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &failure{http.StatusNotFound, codeNoRuleset, "the zone has no such ruleset"}
	}
	return err
}

func (a *API) rulesetByID(c *call) (*reply, error) {
	if c.zone.file != nil {
		return a.ruleset(c.Request)
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) {
		o, err = t.Object(kindRuleset, c.zone.id, c.PathValue("ruleset"))
		return err
	}); err != nil {
		return nil, noRuleset(err)
	}
	return rulesetReply(o)
}

func (a *API) phaseRuleset(c *call) (*reply, error) {
	if c.zone.file != nil {
		return a.entrypoint(c.Request)
	}
	name := c.PathValue("phase")
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) { o, err = t.ObjectByName(kindRuleset, c.zone.id, name); return err }); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = &failure{http.StatusNotFound, codeNoRuleset, "could not find entrypoint ruleset in the " + name + " phase"}
		}
		return nil, err
	}
	return rulesetReply(o)
}

func checkPhase(name, pointer string) error {
	if _, ok := phaseOf(name); ok {
		return nil
	}
	var names []string
	for _, p := range phases {
		names = append(names, p.name)
	}
	return invalid(codeRuleset, pointer, "this edge has no rules of this phase. Served are: "+strings.Join(names, ", "))
}

func (a *API) createRuleset(c *call) (*reply, error) {
	var in rulesetIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if err := checkPhase(in.Phase, "/phase"); err != nil {
		return nil, err
	}
	if in.Kind != "" && in.Kind != "zone" {
		return nil, invalid(codeRuleset, "/kind", "kind must be zone: a zone has one ruleset per phase")
	}
	return a.putRuleset(c, in, func(t *store.Tx) (store.Object, error) {
		return store.Object{Kind: kindRuleset, Zone: c.zone.id, Name: in.Phase}, nil
	})
}

func (a *API) replacePhase(c *call) (*reply, error) {
	name := c.PathValue("phase")
	if err := checkPhase(name, ""); err != nil {
		return nil, err
	}
	var in rulesetIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	return a.putRuleset(c, in, func(t *store.Tx) (store.Object, error) {
		o, err := t.ObjectByName(kindRuleset, c.zone.id, name)
		if errors.Is(err, store.ErrNotFound) {
			return store.Object{Kind: kindRuleset, Zone: c.zone.id, Name: name}, nil
		}
		return o, err
	})
}

func (a *API) replaceRuleset(c *call) (*reply, error) {
	var in rulesetIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	return a.putRuleset(c, in, func(t *store.Tx) (store.Object, error) {
		o, err := t.Object(kindRuleset, c.zone.id, c.PathValue("ruleset"))
		return o, noRuleset(err)
	})
}

// putRuleset keeps a ruleset's rules; find gives the object, new or old.
func (a *API) putRuleset(c *call, in rulesetIn, find func(*store.Tx) (store.Object, error)) (*reply, error) {
	return a.editRuleset(c, find, jsonPointer, func(b *rulesetBody) error {
		old := b.Rules
		b.Rules = in.Rules
		if in.Name != "" || b.Name == "" {
			b.Name = in.Name
		}
		if in.Description != "" {
			b.Description = in.Description
		}
		for i, r := range b.Rules {
			if r == nil {
				return invalid(codeRuleset, fmt.Sprintf("/rules/%d", i), "a rule must be an object")
			}
			at := slices.IndexFunc(old, func(o rule) bool { return o.id() == r.id() && r.id() != "" })
			if at < 0 && r.id() != "" && !ruleForm.MatchString(r.id()) {
				return invalid(codeRuleset, fmt.Sprintf("/rules/%d/id", i), "an id has 32 hexadecimal digits; leave it out and one is made")
			}
			var was rule
			if at >= 0 {
				was = old[at]
			}
			r.complete(was, a.now())
		}
		return nil
	})
}

// complete fills in what the API keeps of a rule. was is the rule before; nil = it is new.
func (r rule) complete(was rule, now time.Time) {
	if r.id() == "" {
		r["id"] = store.NewID(now)
	}
	if s, _ := r["ref"].(string); s == "" {
		r["ref"] = r["id"]
	}
	if _, ok := r["enabled"]; !ok {
		r["enabled"] = true
	}
	if _, ok := r["description"]; !ok {
		r["description"] = ""
	}
	version := 1
	if s, ok := was["version"].(string); ok {
		if n, err := strconv.Atoi(s); err == nil {
			version = n + 1
		}
	}
	r["version"], r["last_updated"] = strconv.Itoa(version), now.UTC().Format(time.RFC3339Nano)
}

// editRuleset reads a ruleset, lets f change it, and keeps it if the edge can run it.
func (a *API) editRuleset(c *call, find func(*store.Tx) (store.Object, error), pointer func(string) string, f func(*rulesetBody) error) (*reply, error) {
	var o store.Object
	err := a.change(c, func(t *store.Tx) (err error) {
		if err = t.Lock(c.zone.id); err != nil {
			return err
		}
		if o, err = find(t); err != nil {
			return err
		}
		var b rulesetBody
		if o.ID != "" {
			if o.Version, err = c.version(o.Version); err != nil {
				return err
			}
			if err = json.Unmarshal(o.Body, &b); err != nil {
				return err
			}
		}
		if err = f(&b); err != nil {
			return err
		}
		if len(b.Rules) > maxRules {
			return invalid(codeRuleset, "/rules", fmt.Sprintf("a ruleset holds at most %d rules", maxRules))
		}
		if b.Rules == nil {
			b.Rules = []rule{}
		}
		if o.Body, err = json.Marshal(b); err != nil {
			return err
		}
		if o.ID == "" {
			err = t.AddObject(&o, nil)
		} else {
			err = t.PutObject(&o, nil, nil)
		}
		if err != nil {
			return err
		}
		return a.checkZone(t, c.zone.id, func(key string) string { return pointer(rulesKey.ReplaceAllString(key, "rules$1")) })
	})
	if err != nil {
		return nil, err
	}
	return rulesetReply(o)
}

var (
	ruleForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	// rulesKey is the list of a phase in the configuration: rules.custom[2]…
	rulesKey = regexp.MustCompile(`^rules\.[a-z_]+(\[|$)`)
)

func (a *API) deleteRuleset(c *call) (*reply, error) {
	id := c.PathValue("ruleset")
	err := a.change(c, func(t *store.Tx) error { return t.DeleteObject(kindRuleset, c.zone.id, id, 0, nil) })
	return &reply{}, noRuleset(err)
}

// rulePointer leaves out the place in the list: the body is one rule.
func rulePointer(key string) string {
	return oneRule.ReplaceAllString(jsonPointer(key), "")
}

var oneRule = regexp.MustCompile(`^/rules/\d+`)

// oneAccess is a rule of the configuration's list of IP access rules.
var oneAccess = regexp.MustCompile(`^/rules/ip_access/\d+`)

func (a *API) findRuleset(c *call) func(*store.Tx) (store.Object, error) {
	return func(t *store.Tx) (store.Object, error) {
		o, err := t.Object(kindRuleset, c.zone.id, c.PathValue("ruleset"))
		return o, noRuleset(err)
	}
}

func (a *API) addRule(c *call) (*reply, error) {
	r, place, err := c.readRule()
	if err != nil {
		return nil, err
	}
	return a.editRuleset(c, a.findRuleset(c), rulePointer, func(b *rulesetBody) error {
		delete(r, "id")
		r.complete(nil, a.now())
		b.Rules, err = place.put(b.Rules, r)
		return err
	})
}

func (a *API) changeRule(c *call) (*reply, error) {
	r, place, err := c.readRule()
	if err != nil {
		return nil, err
	}
	return a.editRuleset(c, a.findRuleset(c), rulePointer, func(b *rulesetBody) error {
		i := slices.IndexFunc(b.Rules, func(x rule) bool { return x.id() == c.PathValue("rule") })
		if i < 0 {
			return &failure{http.StatusNotFound, codeNoRuleset, "the ruleset has no such rule"}
		}
		was := b.Rules[i]
		next := maps.Clone(was)
		maps.Copy(next, r)
		next["id"] = was["id"]
		next.complete(was, a.now())
		b.Rules[i] = next
		if place == (position{}) {
			return nil
		}
		b.Rules, err = place.put(slices.Delete(b.Rules, i, i+1), next)
		return err
	})
}

func (a *API) deleteRule(c *call) (*reply, error) {
	return a.editRuleset(c, a.findRuleset(c), rulePointer, func(b *rulesetBody) error {
		i := slices.IndexFunc(b.Rules, func(x rule) bool { return x.id() == c.PathValue("rule") })
		if i < 0 {
			return &failure{http.StatusNotFound, codeNoRuleset, "the ruleset has no such rule"}
		}
		b.Rules = slices.Delete(b.Rules, i, i+1)
		return nil
	})
}

// position is where a rule is put; the zero position is the end.
type position struct {
	Before string `json:"before"`
	After  string `json:"after"`
	Index  int    `json:"index"` // from 1
}

func (p position) put(list []rule, r rule) ([]rule, error) {
	at := len(list)
	find := func(id string) int { return slices.IndexFunc(list, func(x rule) bool { return x.id() == id }) }
	switch {
	case p.Index > 0:
		at = min(p.Index-1, len(list))
	case p.Before != "":
		at = find(p.Before)
	case p.After != "":
		if at = find(p.After); at >= 0 {
			at++
		}
	}
	if at < 0 {
		return nil, invalid(codeRuleset, "/position", "the ruleset has no such rule")
	}
	return slices.Insert(list, at, r), nil
}

// readRule reads one rule and where it is put.
func (c *call) readRule() (rule, position, error) {
	var at struct {
		Position position `json:"position"`
	}
	b, err := c.body()
	if err != nil {
		return nil, at.Position, err
	}
	var r rule
	if err := decode(b, &r); err != nil {
		return nil, at.Position, err
	}
	if r == nil {
		return nil, at.Position, invalid(codeRuleset, "", "a rule must be an object")
	}
	delete(r, "position")
	return r, at.Position, decode(b, &at)
}
