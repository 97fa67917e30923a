package edgeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

// listIn is a list as a client writes it.
type listIn struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"` // ip, asn, hostname
	Description string `json:"description,omitempty"`
}

// listBody is a list in the store.
type listBody struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
	Items       []item `json:"items"`
}

// item is an item of a list in the store.
type item struct {
	ID      string    `json:"id"`
	Value   string    `json:"value"`
	Comment string    `json:"comment,omitempty"`
	Created time.Time `json:"created_on"`
}

// itemIn is an item as a client writes it: the field of the list's kind is set.
type itemIn struct {
	IP       string        `json:"ip,omitempty"`
	ASN      *int64        `json:"asn,omitempty"`
	Hostname *itemHostname `json:"hostname,omitempty"`
	Comment  string        `json:"comment,omitempty"`
}

type itemHostname struct {
	URLHostname string `json:"url_hostname"`
}

// itemsOut names items to take out.
type itemsOut struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
}

type listOut struct {
	ID                    string    `json:"id"`
	Name                  string    `json:"name"`
	Kind                  string    `json:"kind"`
	Description           string    `json:"description"`
	NumItems              int       `json:"num_items"`
	NumReferencingFilters int       `json:"num_referencing_filters"`
	CreatedOn             time.Time `json:"created_on"`
	ModifiedOn            time.Time `json:"modified_on"`
}

// maxItems bounds a list (Cloudflare: 500,000 over all lists of the largest plan);
// it is kept as one document.
const maxItems = 50_000

// itemsPage is how many items are given at once, and at most (Cloudflare: 500).
const itemsPage = 500

// listName is what a list's name may hold (rules-language values, lists).
var listName = regexp.MustCompile("^[a-z0-9_]{1,50}$")

func bodyOf(o store.Object) (listBody, error) {
	var b listBody
	return b, json.Unmarshal(o.Body, &b)
}

func showList(o store.Object) (listOut, error) {
	b, err := bodyOf(o)
	return listOut{ID: o.ID, Name: o.Name, Kind: b.Kind, Description: b.Description, NumItems: len(b.Items), CreatedOn: o.Created, ModifiedOn: o.Modified}, err
}

// storedLists are the store's lists as rules use them.
func storedLists(t *store.Tx) ([]config.List, error) {
	all, err := t.Objects(kindList, "")
	if err != nil {
		return nil, err
	}
	var out []config.List
	for _, o := range all {
		b, err := bodyOf(o)
		if err != nil {
			return nil, err
		}
		l := config.List{Name: o.Name, Kind: b.Kind}
		for _, i := range b.Items {
			l.Items = append(l.Items, i.Value)
		}
		out = append(out, l)
	}
	return out, nil
}

func (a *API) lists(c *call) (*reply, error) {
	out := []listOut{}
	if a.live != nil {
		var err error
		if out, err = shown(a, c, kindList, "", showList); err != nil {
			return nil, err
		}
	}
	return page(c.Request, out)
}

func (a *API) list(c *call) (*reply, error) {
	o, err := a.findList(c)
	if err != nil {
		return nil, err
	}
	return listReply(o)
}

func listReply(o store.Object) (*reply, error) {
	out, err := showList(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

func (a *API) findList(c *call) (o store.Object, err error) {
	if a.live == nil {
		return o, store.ErrNotFound
	}
	err = a.view(c, func(t *store.Tx) (err error) { o, err = t.Object(kindList, "", c.PathValue("list")); return err })
	return o, err
}

func (a *API) createList(c *call) (*reply, error) {
	var in listIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if !listName.MatchString(in.Name) {
		return nil, invalid(codeField, "/name", "name must hold small letters, digits and underscores, at most 50")
	}
	if in.Kind != "ip" && in.Kind != "asn" && in.Kind != "hostname" {
		return nil, invalid(codeField, "/kind", "kind must be ip, asn or hostname")
	}
	taken := invalid(codeField, "/name", "there is another list named "+in.Name)
	if slices.ContainsFunc(a.edge.Config().Lists, func(l config.List) bool { return l.Name == in.Name }) {
		return nil, taken
	}
	raw, err := json.Marshal(listBody{in.Kind, in.Description, []item{}})
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: kindList, Name: in.Name, Body: raw}
	if err := a.change(c, func(t *store.Tx) error { return t.AddObject(&o, nil) }); err != nil {
		if errors.Is(err, store.ErrExists) {
			err = taken
		}
		return nil, err
	}
	return listReply(o)
}

// editList reads a list, lets f change it, and keeps it. The audit log gets to see
// how many items there are, not all of them.
func (a *API) editList(c *call, f func(*listBody) error) (store.Object, error) {
	var o store.Object
	err := a.change(c, func(t *store.Tx) (err error) {
		if o, err = t.Object(kindList, "", c.PathValue("list")); err != nil {
			return err
		}
		if o.Version, err = c.version(o.Version); err != nil {
			return err
		}
		before, err := showList(o)
		if err != nil {
			return err
		}
		b, err := bodyOf(o)
		if err != nil {
			return err
		}
		if err = f(&b); err != nil {
			return err
		}
		if len(b.Items) > maxItems {
			return invalid(codeField, "", fmt.Sprintf("a list holds at most %d items", maxItems))
		}
		if o.Body, err = json.Marshal(b); err != nil {
			return err
		}
		after, err := showList(o)
		if err != nil {
			return err
		}
		return t.PutObject(&o, before, after)
	})
	return o, err
}

func (a *API) changeList(c *call) (*reply, error) {
	var in listIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	o, err := a.editList(c, func(b *listBody) error { b.Description = in.Description; return nil })
	if err != nil {
		return nil, err
	}
	return listReply(o)
}

// deleteList deletes a list; while a rule uses it, it stays.
func (a *API) deleteList(c *call) (*reply, error) {
	id := c.PathValue("list")
	err := a.change(c, func(t *store.Tx) error {
		if err := t.DeleteObject(kindList, "", id, 0, nil); err != nil {
			return err
		}
		zones, err := t.Zones()
		if err != nil {
			return err
		}
		for _, z := range zones {
			err := a.checkZone(t, z.ID, jsonPointer)
			var bad *failures
			if errors.As(err, &bad) {
				return &failure{http.StatusBadRequest, codeField, "the list is used by rules of " + z.Name}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return &reply{result: map[string]string{"id": id}}, err
}

// listPart tells apart two paths of the original that look alike to a router.
func (a *API) listPart(c *call) (*reply, error) {
	switch {
	case c.PathValue("list") == "bulk_operations":
		return a.listOperation(c)
	case c.PathValue("part") == "items":
		return a.listItems(c)
	}
	return nil, store.ErrNotFound
}

func (a *API) listItems(c *call) (*reply, error) {
	o, err := a.findList(c)
	if err != nil {
		return nil, err
	}
	b, err := bodyOf(o)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, i := range b.Items {
		x := map[string]any{"id": i.ID, "created_on": i.Created, "modified_on": i.Created}
		switch b.Kind {
		case "asn":
			x["asn"] = json.Number(i.Value)
		case "hostname":
			x["hostname"] = itemHostname{i.Value}
		default:
			x["ip"] = i.Value
		}
		if i.Comment != "" {
			x["comment"] = i.Comment
		}
		out = append(out, x)
	}
	size, err := count(c.Request, "per_page", itemsPage, 1, itemsPage)
	if err != nil {
		return nil, err
	}
	from, err := count(c.Request, "cursor", 0, 0, maxItems)
	if err != nil {
		return nil, err
	}
	from = min(from, len(out))
	part := out[from:min(from+size, len(out))]
	info := &resultInfo{Page: 1, PerPage: size, Count: len(part), TotalCount: len(out), TotalPages: (len(out) + size - 1) / size}
	if next := from + len(part); next < len(out) {
		info.Cursors = map[string]string{"after": fmt.Sprint(next)}
	}
	return &reply{result: part, info: info}, nil
}

// value is what an item says to a list of a kind.
func (i itemIn) value(kind string) string {
	switch {
	case kind == "asn" && i.ASN != nil:
		return fmt.Sprint(*i.ASN)
	case kind == "hostname" && i.Hostname != nil:
		return i.Hostname.URLHostname
	case kind == "ip":
		return i.IP
	}
	return ""
}

// items checks items; each is as the rules language takes it.
func (a *API) items(kind string, in []itemIn) ([]item, error) {
	var out []item
	for n, x := range in {
		v := x.value(kind)
		if v == "" {
			return nil, invalid(codeField, fmt.Sprintf("/%d", n), "the item has no "+kind)
		}
		if _, err := rules.NewList(rules.ListKind(kind), []string{v}); err != nil {
			return nil, invalid(codeField, fmt.Sprintf("/%d/%s", n, kind), escape.Line(err.Error(), 200))
		}
		out = append(out, item{store.NewID(a.now()), v, x.Comment, a.now().UTC()})
	}
	return out, nil
}

func (a *API) addListItems(c *call) (*reply, error)     { return a.putItems(c, false) }
func (a *API) replaceListItems(c *call) (*reply, error) { return a.putItems(c, true) }

func (a *API) putItems(c *call, replace bool) (*reply, error) {
	var in []itemIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	_, err := a.editList(c, func(b *listBody) error {
		list, err := a.items(b.Kind, in)
		if err != nil {
			return err
		}
		if replace {
			b.Items = nil
		}
		there := map[string]bool{}
		for _, o := range b.Items {
			there[o.Value] = true
		}
		for _, x := range list {
			if !there[x.Value] {
				there[x.Value] = true
				b.Items = append(b.Items, x)
			}
		}
		if b.Items == nil {
			b.Items = []item{}
		}
		return nil
	})
	return a.operation(err)
}

func (a *API) deleteListItems(c *call) (*reply, error) {
	var in itemsOut
	if err := c.read(&in); err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, x := range in.Items {
		gone[x.ID] = true
	}
	_, err := a.editList(c, func(b *listBody) error {
		b.Items = slices.DeleteFunc(b.Items, func(i item) bool { return gone[i.ID] })
		return nil
	})
	return a.operation(err)
}

// operation answers a change of items. The original does them later and gives an
// id to ask for; here they are done.
func (a *API) operation(err error) (*reply, error) {
	return &reply{result: map[string]string{"operation_id": store.NewID(a.now())}}, err
}

func (a *API) listOperation(c *call) (*reply, error) {
	return &reply{result: map[string]any{"id": c.PathValue("part"), "status": "completed", "completed": a.now().UTC()}}, nil
}
