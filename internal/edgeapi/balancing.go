package edgeapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/store"
)

// Kinds of objects of load balancing in the store.
const (
	kindMonitor  = "monitor"
	kindPool     = "pool"          // name = its name
	kindBalancer = "load_balancer" // of a zone; name = its host name
)

// Codes of errors of the original's load balancing.
const (
	codeBalancing  = 1002 // "…: validation failed"
	codeNotUnique  = 1003
	codeReferenced = 1005
)

// form is an object as a client writes it: fields by name.
type form map[string]json.RawMessage

// use tells what becomes of a field.
type use int

const (
	serves use = iota // means the same here, and is checked as in the configuration file
	keeps             // is kept and given back: it is about people, or about another kind of edge
	refuse            // is refused unless it says nothing
)

// field is a field of an object, with what it is when a client does not give it.
type field struct {
	name   string
	preset string
	use    use
}

// balancing is one kind of object of load balancing.
type balancing struct {
	kind, param, key string // in the store, in paths, in the configuration file
	named            bool   // has a name that is unique
	fields           []field
}

var monitorKind = balancing{kind: kindMonitor, param: "monitor", key: "monitors", fields: []field{
	{"type", `"http"`, serves},
	{"description", `""`, keeps},
	{"method", `""`, serves},
	{"path", `""`, serves},
	{"header", `{}`, serves},
	{"port", `0`, serves},
	{"timeout", `5`, serves},
	{"retries", `2`, serves},
	{"interval", `60`, serves},
	{"consecutive_up", `0`, serves},
	{"consecutive_down", `0`, serves},
	{"expected_body", `""`, serves},
	{"expected_codes", `""`, serves},
	{"follow_redirects", `false`, serves},
	{"allow_insecure", `false`, serves},
	{"probe_zone", `""`, refuse},
}}

var poolKind = balancing{kind: kindPool, param: "pool", key: "pools", named: true, fields: []field{
	{"name", `""`, serves},
	{"description", `""`, keeps},
	{"enabled", `true`, serves},
	{"minimum_origins", `1`, serves},
	{"monitor", `""`, serves},
	{"origins", `[]`, serves},
	{"origin_steering", `{"policy":"random"}`, serves},
	{"check_regions", `null`, keeps},
	{"notification_email", `""`, keeps},
	{"notification_filter", `null`, keeps},
	{"latitude", `null`, keeps},
	{"longitude", `null`, keeps},
	{"load_shedding", `null`, refuse},
	{"monitor_group", `""`, refuse},
}}

// originFields are the fields of an origin of a pool.
var originFields = []field{
	{"name", `""`, serves},
	{"address", `""`, serves},
	{"enabled", `true`, serves},
	{"weight", `1`, serves},
	{"header", `{}`, serves},
	{"port", `0`, serves},
	{"disabled_at", ``, serves},
	{"flatten_cname", ``, keeps},
	{"virtual_network_id", ``, refuse},
}

var balancerKind = balancing{kind: kindBalancer, param: "balancer", key: "load_balancers", named: true, fields: []field{
	{"name", `""`, serves},
	{"description", `""`, keeps},
	{"enabled", `true`, serves},
	{"proxied", `true`, serves},
	{"default_pools", `[]`, serves},
	{"fallback_pool", `""`, serves},
	{"steering_policy", `"off"`, serves},
	{"random_steering", `{"default_weight":1}`, serves},
	{"session_affinity", `"none"`, serves},
	{"session_affinity_ttl", ``, serves},
	{"session_affinity_attributes", `{}`, serves},
	{"adaptive_routing", `{"failover_across_pools":false}`, serves},
	{"ttl", ``, keeps}, // of names that are not proxied
	{"location_strategy", `null`, keeps},
	{"networks", `null`, keeps},
	{"region_pools", `{}`, refuse},
	{"country_pools", `{}`, refuse},
	{"pop_pools", `{}`, refuse},
	{"pool_sets", ``, refuse},
	{"rules", `[]`, refuse},
}}

// says tells whether a value says anything: null, and what is empty, do not.
func says(v json.RawMessage) bool {
	switch string(bytes.TrimSpace(v)) {
	case "", "null", `""`, "{}", "[]":
		return false
	}
	return true
}

// normal leaves out what no such object has and fills in what was not given.
func (f form) normal(fields []field) (form, error) {
	out := form{}
	for _, x := range fields {
		v := f[x.name]
		if len(v) == 0 || string(v) == "null" {
			v = json.RawMessage(x.preset)
		}
		if x.use == refuse && says(v) && string(v) != "false" {
			return nil, invalid(codeBalancing, "/"+x.name, x.name+" is not there at this edge: validation failed")
		}
		if len(v) > 0 {
			out[x.name] = v
		}
	}
	return out, nil
}

// served are the fields that mean something to the edge, as its configuration file has them.
func (f form) served(fields []field) form {
	out := form{}
	for _, x := range fields {
		if v := f[x.name]; x.use == serves && says(v) {
			out[x.name] = v
		}
	}
	return out
}

func (f form) text(name string) string {
	var s string
	_ = json.Unmarshal(f[name], &s) // no text: empty
	return s
}

func (f form) set(name string, v any) error {
	raw, err := json.Marshal(v)
	f[name] = raw
	return err
}

// complete makes a client's object whole. old is what it replaces; nil = nothing.
func (b *balancing) complete(in, old form, now time.Time) (form, error) {
	f, err := in.normal(b.fields)
	if err != nil {
		return nil, err
	}
	switch b.kind {
	case kindMonitor:
		return f, f.completeMonitor()
	case kindPool:
		return f, f.completeOrigins(old, now)
	case kindBalancer:
		return f, f.completeTTL()
	}
	return f, nil
}

func (f form) completeTTL() error {
	if f.text("steering_policy") == "" {
		f["steering_policy"] = json.RawMessage(`"off"`)
	}
	if kind := f.text("session_affinity"); kind == "" {
		f["session_affinity"] = json.RawMessage(`"none"`)
	} else if kind == "none" {
		delete(f, "session_affinity_ttl")
	}
	return nil
}

// completeMonitor fills in what depends on the type.
func (f form) completeMonitor() error {
	if f.text("type") == "tcp" {
		if m := f.text("method"); m == "" || m == "connection_established" {
			return f.set("method", "connection_established")
		}
		return nil
	}
	for name, v := range map[string]string{"method": "GET", "path": "/", "expected_codes": "200"} {
		if f.text(name) == "" {
			if err := f.set(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeOrigins makes origins whole, and notes since when they are disabled.
func (f form) completeOrigins(old form, now time.Time) error {
	was, err := old.origins()
	if err != nil {
		return err
	}
	list, err := f.origins()
	if err != nil {
		return err
	}
	for i, o := range list {
		if list[i], err = o.normal(originFields); err != nil {
			return err
		}
		o = list[i]
		delete(o, "disabled_at")
		if string(o["enabled"]) != "false" {
			continue
		}
		since := now.UTC().Truncate(time.Microsecond)
		for _, w := range was {
			if w.text("address") == o.text("address") && string(w["port"]) == string(o["port"]) && string(w["header"]) == string(o["header"]) && says(w["disabled_at"]) {
				_ = json.Unmarshal(w["disabled_at"], &since) // our own
			}
		}
		if err := o.set("disabled_at", since); err != nil {
			return err
		}
	}
	return f.set("origins", list)
}

func (f form) origins() ([]form, error) {
	var list []form
	if f == nil || !says(f["origins"]) {
		return nil, nil
	}
	if err := json.Unmarshal(f["origins"], &list); err != nil || slices.ContainsFunc(list, func(o form) bool { return o == nil }) {
		return nil, invalid(codeBalancing, "/origins", "origins must be a list of origins: validation failed")
	}
	return list, nil
}

// forConfig is the object in the form of the configuration file.
func (b *balancing) forConfig(id string, f form) (form, error) {
	out := f.served(b.fields)
	if err := out.set("id", id); err != nil {
		return nil, err
	}
	switch b.kind {
	case kindMonitor:
		if f.text("type") == "tcp" {
			for _, name := range []string{"method", "follow_redirects", "allow_insecure"} {
				if v := string(f[name]); v == "false" || v == `"connection_established"` {
					delete(out, name)
				}
			}
		}
	case kindPool:
		list, err := f.origins()
		if err != nil {
			return nil, err
		}
		for i := range list {
			list[i] = list[i].served(originFields)
		}
		return out, out.set("origins", list)
	}
	return out, nil
}

// compile reads one object as the edge has it. zone is its zone's name, for load balancers.
func (b *balancing) compile(id, zone string, f form, use config.Use) (*config.Config, error) {
	x, err := b.forConfig(id, f)
	if err != nil {
		return nil, err
	}
	doc := map[string]any{"listen": map[string]any{}, b.key: []form{x}}
	if b.kind == kindBalancer {
		doc = map[string]any{"listen": map[string]any{}, "zones": []any{map[string]any{"name": zone, b.key: []form{x}}}}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	loader := edge.Loader()
	loader.Use = use
	return loader.Parse("store", raw)
}

// place is where in the configuration file's form an object of its own begins.
var place = regexp.MustCompile(`^(zones\[0\]\.)?(monitors|pools|load_balancers)\[0\]\.?`)

// invalidObject turns problems of the configuration's form into the original's answer.
func invalidObject(problems config.Problems) error {
	return refused(problems, codeBalancing, ": validation failed", func(key string) string { return jsonPointer(place.ReplaceAllString(key, "")) })
}

// refused is the answer to problems; pointer turns their place into one of the body.
func refused(problems config.Problems, code int, end string, pointer func(key string) string) error {
	f := &failures{status: http.StatusBadRequest}
	for _, p := range problems {
		text := p.Msg
		if p.Value != "" {
			text = fmt.Sprintf("%q: %s", p.Value, text)
		}
		if len(p.Allowed) > 0 {
			text += "; allowed: " + strings.Join(p.Allowed, ", ")
		}
		f.list = append(f.list, message{Code: code, Message: text + end, Source: &source{pointer(p.Key)}})
	}
	return f
}

// formOf reads an object of the store.
func formOf(o store.Object) (form, error) {
	var f form
	return f, json.Unmarshal(o.Body, &f)
}

// show is an object as clients see it.
func (b *balancing) show(o store.Object) (form, error) {
	f, err := formOf(o)
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]any{"id": o.ID, "created_on": o.Created, "modified_on": o.Modified} {
		if err := f.set(name, v); err != nil {
			return nil, err
		}
	}
	return f, nil
}
