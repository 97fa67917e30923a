package edgeapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/originward/originward/internal/edge/events"
)

// graphIn is a GraphQL request.
type graphIn struct {
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables,omitempty"`
}

// Bounds of a query.
const (
	maxQuery  = 64 << 10
	maxTokens = 2000
	maxEvents = 10_000 // of one answer (Cloudflare: limit at most 10,000)
)

// graphError is an error in the form of GraphQL.
type graphError struct {
	Message string `json:"message"`
	Path    []any  `json:"path"`
}

// graphQL answers the documented queries for security events and for counts of
// answers: viewer, zones by zoneTag, firewallEventsAdaptive and
// httpRequestsAdaptiveGroups with filter, limit and orderBy.
func (a *API) graphQL(c *call) (*reply, error) {
	var in graphIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	out := map[string]any{"data": nil, "errors": nil}
	data, err := a.graphData(c, in)
	if err != nil {
		out["errors"] = []graphError{{Message: err.Error()}}
	} else {
		out["data"] = data
	}
	b, err := json.Marshal(out)
	return &reply{raw: b, kind: jsonType}, err
}

func (a *API) graphData(c *call, in graphIn) (any, error) {
	if len(in.Query) > maxQuery {
		return nil, fmt.Errorf("the query is longer than %d bytes", maxQuery)
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: in.Query}, maxTokens)
	if err != nil {
		return nil, fmt.Errorf("the query cannot be read: %w", err)
	}
	if len(doc.Operations) != 1 || doc.Operations[0].Operation != ast.Query {
		return nil, fmt.Errorf("give one query")
	}
	g := &graph{api: a, call: c, vars: in.Variables}
	return g.object(doc.Operations[0].SelectionSet, func(f *ast.Field) (any, error) {
		if f.Name != "viewer" {
			return nil, unknownField(f, "viewer")
		}
		return g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
			if f.Name != "zones" {
				return nil, unknownField(f, "zones")
			}
			return g.zones(f)
		})
	})
}

func unknownField(f *ast.Field, known ...string) error {
	return fmt.Errorf("unknown field %q; this edge has %s", f.Name, strings.Join(known, ", "))
}

// graph answers one query.
type graph struct {
	api  *API
	call *call
	vars map[string]any
}

// object answers the fields of a selection.
func (g *graph) object(set ast.SelectionSet, field func(*ast.Field) (any, error)) (map[string]any, error) {
	out := map[string]any{}
	for _, s := range set {
		f, ok := s.(*ast.Field)
		if !ok {
			return nil, fmt.Errorf("fragments are not served")
		}
		v, err := field(f)
		if err != nil {
			return nil, err
		}
		out[cmp.Or(f.Alias, f.Name)] = v
	}
	return out, nil
}

// arg is the value of an argument; nil = it is not given.
func (g *graph) arg(f *ast.Field, name string) (any, error) {
	a := f.Arguments.ForName(name)
	if a == nil {
		return nil, nil
	}
	return a.Value.Value(g.vars)
}

func (g *graph) zones(f *ast.Field) (any, error) {
	v, err := g.arg(f, "filter")
	if err != nil {
		return nil, err
	}
	filter, _ := v.(map[string]any)
	out := []any{}
	for i := range g.api.edge.Config().Zones {
		z := &g.api.edge.Config().Zones[i]
		id := idOf(z)
		ok, err := matches(filter, map[string]any{"zoneTag": id})
		if err != nil {
			return nil, err
		}
		if !ok || !g.call.who.may(analytics, id) {
			continue
		}
		x, err := g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
			switch f.Name {
			case "zoneTag":
				return id, nil
			case "firewallEventsAdaptive":
				return g.events(f, id, z.Name)
			case "httpRequestsAdaptiveGroups":
				return g.traffic(f, z.Name)
			}
			return nil, unknownField(f, "zoneTag", "firewallEventsAdaptive", "httpRequestsAdaptiveGroups")
		})
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// limit is how many rows a field asks for.
func (g *graph) limit(f *ast.Field) (int, error) {
	v, err := g.arg(f, "limit")
	if err != nil || v == nil {
		return maxEvents, err
	}
	var n int
	if _, err := fmt.Sscan(fmt.Sprint(v), &n); err != nil || n < 1 || n > maxEvents {
		return 0, fmt.Errorf("limit must be a number from 1 to %d", maxEvents)
	}
	return n, nil
}

// events answers firewallEventsAdaptive of a zone.
func (g *graph) events(f *ast.Field, zone, name string) (any, error) {
	filter, err := g.arg(f, "filter")
	if err != nil {
		return nil, err
	}
	limit, err := g.limit(f)
	if err != nil {
		return nil, err
	}
	conds, _ := filter.(map[string]any)
	var rows []map[string]any
	list, err := g.api.zoneEvents(g.call, zone, name)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Source == events.FromDiagnosis {
			continue // the data set is of what rules decided
		}
		row, err := eventRow(e)
		if err != nil {
			return nil, err
		}
		ok, err := matches(conds, row)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row)
		}
	}
	if err := g.order(f, rows); err != nil {
		return nil, err
	}
	out := []any{}
	for _, row := range rows[:min(limit, len(rows))] {
		x, err := g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
			if v, ok := row[f.Name]; ok {
				return v, nil
			}
			return nil, fmt.Errorf("unknown field %q of firewallEventsAdaptive", f.Name)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// eventRow is an event under the names of the documented data set, every field present.
func eventRow(e events.Event) (map[string]any, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	row := map[string]any{
		"edgeColoName": "", "description": "", "clientIP": "", "clientCountryName": "", "clientAsn": "", "clientRequestQuery": "", "userAgent": "", "edgeResponseStatus": 0,
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return nil, err
	}
	row["clientAsn"] = fmt.Sprint(row["clientAsn"]) // a text there
	row["matchIndex"] = 0
	delete(row, "zone")
	return row, nil
}

// order sorts rows by orderBy: datetime_DESC and such; newest first unless it says more.
func (g *graph) order(f *ast.Field, rows []map[string]any) error {
	v, err := g.arg(f, "orderBy")
	if err != nil || v == nil {
		return err
	}
	keys, ok := v.([]any)
	if !ok {
		keys = []any{v}
	}
	for _, k := range slices.Backward(keys) {
		name, down := strings.CutSuffix(fmt.Sprint(k), "_DESC")
		name = strings.TrimSuffix(name, "_ASC")
		if len(rows) > 0 {
			if _, ok := rows[0][name]; !ok {
				return fmt.Errorf("orderBy: unknown field %q", name)
			}
		}
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			n := compareValues(a[name], b[name])
			if down {
				return -n
			}
			return n
		})
	}
	return nil
}

// compareValues compares numbers as such and everything else as text; times in
// RFC 3339 and UTC sort so.
func compareValues(a, b any) int {
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	}
	return 0, false
}

// operators are the endings of a filter's names, longest first.
var operators = []struct {
	suffix string
	holds  func(have, want any) bool
}{
	{"_notlike", func(h, w any) bool { return !like(h, w) }},
	{"_notin", func(h, w any) bool { return !among(h, w) }},
	{"_like", like},
	{"_neq", func(h, w any) bool { return compareValues(h, w) != 0 }},
	{"_geq", func(h, w any) bool { return compareValues(h, w) >= 0 }},
	{"_leq", func(h, w any) bool { return compareValues(h, w) <= 0 }},
	{"_gt", func(h, w any) bool { return compareValues(h, w) > 0 }},
	{"_lt", func(h, w any) bool { return compareValues(h, w) < 0 }},
	{"_in", among},
	{"", func(h, w any) bool { return compareValues(h, w) == 0 }},
}

func among(have, want any) bool {
	list, _ := want.([]any)
	return slices.ContainsFunc(list, func(w any) bool { return compareValues(have, w) == 0 })
}

// like compares with % standing for anything.
func like(have, want any) bool {
	s, parts := fmt.Sprint(have), strings.Split(fmt.Sprint(want), "%")
	if len(parts) == 1 {
		return s == parts[0]
	}
	s, ok := strings.CutPrefix(s, parts[0])
	for i := 1; ok && i < len(parts)-1; i++ {
		_, s, ok = strings.Cut(s, parts[i])
	}
	return ok && strings.HasSuffix(s, parts[len(parts)-1])
}

// matches tells whether a row meets every condition of a filter.
func matches(filter, row map[string]any) (bool, error) {
	all := true
	for name, want := range filter {
		ok, err := oneCondition(name, want, row)
		if err != nil {
			return false, err
		}
		all = all && ok
	}
	return all, nil
}

func oneCondition(name string, want any, row map[string]any) (bool, error) {
	if name == "AND" || name == "OR" {
		list, _ := want.([]any)
		for _, x := range list {
			sub, _ := x.(map[string]any)
			ok, err := matches(sub, row)
			if err != nil {
				return false, err
			}
			if ok == (name == "OR") {
				return ok, nil
			}
		}
		return name == "AND", nil
	}
	for _, op := range operators {
		field, ok := strings.CutSuffix(name, op.suffix)
		if !ok {
			continue
		}
		if have, ok := row[field]; ok {
			return op.holds(have, want), nil
		}
	}
	return false, fmt.Errorf("filter: unknown field %q", name)
}
