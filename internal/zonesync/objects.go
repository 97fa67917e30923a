package zonesync

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// List is a named list that rules use.
type List struct {
	Name        string `yaml:"name"`
	Kind        string `yaml:"kind"` // ip, asn, hostname
	Description string `yaml:"description,omitempty"`
	Items       []Rule `yaml:"items"` // in the API's form: {ip: 192.0.2.0/24, comment: office}

	id string
}

// entries are the small collections of a zone whose members only come and go.
var entries = []struct {
	key, path string
	of        func(*Zone) *[]Rule
}{
	{"ip_access", "/firewall/access_rules/rules", func(z *Zone) *[]Rule { return &z.Access }},
	{"user_agents", "/firewall/ua_rules", func(z *Zone) *[]Rule { return &z.Agents }},
}

// entryFields are what of a member is written; the rest the API makes.
var entryFields = []string{"mode", "configuration", "notes", "description", "paused"}

// entryPlain is a member without what the API makes and without what is the default.
func entryPlain(r Rule) Rule {
	out := Rule{}
	for _, k := range entryFields {
		if v := r[k]; v != nil && v != "" && v != false {
			out[k] = v
		}
	}
	return out
}

func (c *Client) readEntries(ctx context.Context, base string, z *Zone) error {
	z.entryIDs = map[string]string{}
	for _, e := range entries {
		list, err := all[Rule](ctx, c, base+e.path)
		if closed(err) {
			continue
		}
		if err != nil {
			return err
		}
		*e.of(z) = []Rule{}
		for _, r := range list {
			p := entryPlain(r)
			*e.of(z) = append(*e.of(z), p)
			z.entryIDs[e.key+text(p)], _ = r["id"].(string)
		}
		slices.SortFunc(*e.of(z), func(a, b Rule) int { return compareText(a, b) })
	}
	return nil
}

func compareText(a, b Rule) int {
	switch x, y := text(a), text(b); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// entryValue is a step's value: one member of a collection.
type entryValue struct {
	path, id string
	body     Rule
}

// compareEntries gives the members that come and go; a document that has no word of a
// collection says nothing about it.
func compareEntries(h, w Zone) (out []Step) {
	for _, e := range entries {
		want := *e.of(&w)
		if want == nil {
			continue
		}
		there, wanted := map[string]bool{}, map[string]bool{}
		for _, r := range want {
			wanted[text(entryPlain(r))] = true
		}
		for _, r := range *e.of(&h) {
			t := text(entryPlain(r))
			there[t] = true
			if !wanted[t] {
				out = append(out, Step{w.Name, "- " + e.key + " " + t, dropEntry, entryValue{path: e.path, id: h.entryIDs[e.key+t]}})
			}
		}
		for _, r := range want {
			p := entryPlain(r)
			if t := text(p); !there[t] {
				there[t] = true
				out = append(out, Step{w.Name, "+ " + e.key + " " + t, addEntry, entryValue{path: e.path, body: p}})
			}
		}
	}
	return out
}

func (c *Client) applyEntry(ctx context.Context, base string, kind stepKind, v entryValue) error {
	if kind == dropEntry {
		return c.do(ctx, http.MethodDelete, base+v.path+"/"+url.PathEscape(v.id), nil, nil)
	}
	return c.do(ctx, http.MethodPost, base+v.path, v.body, nil)
}

// itemFields are what of a list's item is written.
var itemFields = []string{"ip", "asn", "hostname", "comment"}

func itemPlain(r Rule) Rule {
	out := Rule{}
	for _, k := range itemFields {
		if v := r[k]; v != nil && v != "" {
			out[k] = v
		}
	}
	return out
}

// itemsPlain are items in the order in which they are compared.
func itemsPlain(items []Rule) []Rule {
	out := make([]Rule, len(items))
	for i, r := range items {
		out[i] = itemPlain(r)
	}
	slices.SortFunc(out, compareText)
	return out
}

func (c *Client) readLists(ctx context.Context) ([]List, error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	var lists []struct{ ID, Name, Kind, Description string }
	if err := c.do(ctx, http.MethodGet, account+"/rules/lists", nil, &lists); closed(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	out := []List{}
	for _, l := range lists {
		x := List{Name: l.Name, Kind: l.Kind, Description: l.Description, Items: []Rule{}, id: l.ID}
		cursor := ""
		for {
			var items []Rule
			var info struct{ Cursors struct{ After string } }
			path := account + "/rules/lists/" + url.PathEscape(l.ID) + "/items?per_page=500&cursor=" + url.QueryEscape(cursor)
			if err := c.ask(ctx, http.MethodGet, path, nil, &items, &info); err != nil {
				return nil, fmt.Errorf("list %s: %w", l.Name, err)
			}
			x.Items = append(x.Items, itemsPlain(items)...)
			if cursor = info.Cursors.After; cursor == "" || len(items) == 0 {
				break
			}
		}
		slices.SortFunc(x.Items, compareText)
		out = append(out, x)
	}
	return out, nil
}

// compareLists gives the lists that are added or changed. None is taken out: rules of
// other zones may use it.
func compareLists(have, want []List) (out []Step) {
	for _, w := range want {
		i := slices.IndexFunc(have, func(h List) bool { return h.Name == w.Name })
		var h List
		if i >= 0 {
			h = have[i]
		}
		h.Items, w.Items = itemsPlain(h.Items), itemsPlain(w.Items)
		switch {
		case i < 0:
			out = append(out, Step{"", fmt.Sprintf("+ list %s with %d items", w.Name, len(w.Items)), putList, w})
		case text(h.Items) != text(w.Items) || h.Description != w.Description:
			w.id = h.id
			out = append(out, Step{"", fmt.Sprintf("~ list %s, %d -> %d items", w.Name, len(h.Items), len(w.Items)), putList, w})
		}
	}
	return out
}

func (c *Client) applyList(ctx context.Context, l List) error {
	account, err := c.account(ctx)
	if err != nil {
		return err
	}
	if l.id == "" {
		var made struct{ ID string }
		if err := c.do(ctx, http.MethodPost, account+"/rules/lists", map[string]any{"name": l.Name, "kind": l.Kind, "description": l.Description}, &made); err != nil {
			return err
		}
		l.id = made.ID
	} else if err := c.do(ctx, http.MethodPut, account+"/rules/lists/"+url.PathEscape(l.id), map[string]any{"description": l.Description}, nil); err != nil {
		return err
	}
	items := append([]Rule{}, l.Items...)
	return c.do(ctx, http.MethodPut, account+"/rules/lists/"+url.PathEscape(l.id)+"/items", items, nil)
}
