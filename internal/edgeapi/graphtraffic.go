package edgeapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/originward/originward/internal/edge/traffic"
)

// dimensions are what answers can be grouped and filtered by, under the names of the
// documented data set (httpRequestsAdaptiveGroups); one line adds one.
var dimensions = map[string]func(a *API, r *traffic.Row) any{
	"cacheStatus":            func(_ *API, r *traffic.Row) any { return cacheWord(r.Cache) },
	"clientCountryName":      func(_ *API, r *traffic.Row) any { return r.Country },
	"clientRequestHTTPHost":  func(_ *API, r *traffic.Row) any { return r.Host },
	"coloCode":               func(a *API, _ *traffic.Row) any { return a.edge.Config().Colo },
	"date":                   func(_ *API, r *traffic.Row) any { return r.At.Format(time.DateOnly) },
	"datetime":               every(traffic.Step),
	"datetimeFifteenMinutes": every(15 * time.Minute),
	"datetimeFiveMinutes":    every(5 * time.Minute),
	"datetimeHour":           every(time.Hour),
	"datetimeMinute":         every(time.Minute),
	"edgeResponseStatus":     func(_ *API, r *traffic.Row) any { return r.Edge },
	"originResponseStatus":   func(_ *API, r *traffic.Row) any { return r.Origin },
}

func every(step time.Duration) func(*API, *traffic.Row) any {
	return func(_ *API, r *traffic.Row) any { return r.At.Truncate(step).Format(time.RFC3339) }
}

// cacheWord is a cache status as the data set writes it.
func cacheWord(s string) string {
	if s == "" {
		return "none"
	}
	return strings.ToLower(s)
}

// times takes the bounds of time out of a filter: answers are counted by the minute, so
// that a bound within a minute takes the whole of it.
func times(filter map[string]any) (rest map[string]any, from, until time.Time, err error) {
	rest = maps.Clone(filter)
	for _, b := range []struct {
		name string
		to   *time.Time
		add  time.Duration
	}{{"datetime_geq", &from, 0}, {"datetime_gt", &from, 0}, {"datetime_lt", &until, 0}, {"datetime_leq", &until, traffic.Step}, {"date_geq", &from, 0}, {"date_leq", &until, 24 * time.Hour}} {
		v, ok := filter[b.name]
		if !ok {
			continue
		}
		text := fmt.Sprint(v)
		if strings.HasPrefix(b.name, "date_") {
			text += "T00:00:00Z"
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, from, until, fmt.Errorf("filter: %s: give a time such as 2026-01-02T15:04:05Z, or a date", b.name)
		}
		*b.to = t.Add(b.add)
		delete(rest, b.name)
	}
	return rest, from, until, nil
}

// traffic answers httpRequestsAdaptiveGroups of a zone.
func (g *graph) traffic(f *ast.Field, zone string) (any, error) {
	v, err := g.arg(f, "filter")
	if err != nil {
		return nil, err
	}
	conds, _ := v.(map[string]any)
	conds, from, until, err := times(conds)
	if err != nil {
		return nil, err
	}
	limit, err := g.limit(f)
	if err != nil {
		return nil, err
	}
	by, err := chosen(f)
	if err != nil {
		return nil, err
	}
	groups := map[string]map[string]any{}
	for _, r := range g.api.edge.Traffic(zone, from, until) {
		all := map[string]any{}
		for name, of := range dimensions {
			all[name] = of(g.api, &r)
		}
		if ok, err := matches(conds, all); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		row, key := map[string]any{}, ""
		for _, name := range by {
			row[name] = all[name]
			key += fmt.Sprintf("%v\x00", all[name])
		}
		if have := groups[key]; have != nil {
			row = have
		} else {
			row["count"], row["sum_edgeResponseBytes"] = int64(0), int64(0)
			groups[key] = row
		}
		row["count"] = row["count"].(int64) + r.Count
		row["sum_edgeResponseBytes"] = row["sum_edgeResponseBytes"].(int64) + r.Bytes
	}
	var rows []map[string]any
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		rows = append(rows, groups[key])
	}
	if err := g.order(f, rows); err != nil {
		return nil, err
	}
	out := []any{}
	for _, row := range rows[:min(limit, len(rows))] {
		x, err := g.group(f, row)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// chosen lists the dimensions that a query asks for.
func chosen(f *ast.Field) (by []string, err error) {
	for _, s := range f.SelectionSet {
		d, ok := s.(*ast.Field)
		if !ok || d.Name != "dimensions" {
			continue
		}
		for _, s := range d.SelectionSet {
			x, ok := s.(*ast.Field)
			if !ok {
				continue
			}
			if dimensions[x.Name] == nil {
				return nil, unknownField(x, slices.Sorted(maps.Keys(dimensions))...)
			}
			by = append(by, x.Name)
		}
	}
	return by, nil
}

// group answers the fields of one group.
func (g *graph) group(f *ast.Field, row map[string]any) (any, error) {
	return g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
		switch f.Name {
		case "count":
			return row["count"], nil
		case "avg":
			return g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
				if f.Name != "sampleInterval" {
					return nil, unknownField(f, "sampleInterval")
				}
				return 1, nil // every answer is counted
			})
		case "sum":
			return g.object(f.SelectionSet, func(f *ast.Field) (any, error) {
				if v, ok := row["sum_"+f.Name]; ok {
					return v, nil
				}
				return nil, unknownField(f, "edgeResponseBytes")
			})
		case "dimensions":
			return g.object(f.SelectionSet, func(f *ast.Field) (any, error) { return row[f.Name], nil })
		}
		return nil, unknownField(f, "count", "avg", "sum", "dimensions")
	})
}
