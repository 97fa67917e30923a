package edgeapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/originward/originward/internal/store"
)

// accessIn is an IP access rule as a client writes it.
type accessIn struct {
	Mode          string       `json:"mode"` // block, challenge, js_challenge, managed_challenge, whitelist
	Notes         *string      `json:"notes,omitempty"`
	Configuration accessTarget `json:"configuration"`
}

type accessTarget struct {
	Target string `json:"target"` // ip, ip6, ip_range, asn, country
	Value  string `json:"value"`
}

// accessBody is an IP access rule in the store.
type accessBody struct {
	Mode          string       `json:"mode"`
	Notes         string       `json:"notes"`
	Configuration accessTarget `json:"configuration"`
}

type accessOut struct {
	ID           string   `json:"id"`
	AllowedModes []string `json:"allowed_modes"`
	accessBody
	Scope      map[string]string `json:"scope"`
	CreatedOn  time.Time         `json:"created_on"`
	ModifiedOn time.Time         `json:"modified_on"`
}

const codeDuplicateAccess = 10009

func showAccess(o store.Object) (accessOut, error) {
	out := accessOut{
		ID: o.ID, AllowedModes: []string{"block", "challenge", "js_challenge", "managed_challenge", "whitelist"},
		Scope: map[string]string{"id": o.Zone, "type": "zone"}, CreatedOn: o.Created, ModifiedOn: o.Modified,
	}
	return out, json.Unmarshal(o.Body, &out.accessBody)
}

func accessForConfig(o store.Object) (map[string]any, error) {
	var b accessBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return nil, err
	}
	out := map[string]any{"id": o.ID, "mode": b.Mode, "configuration": map[string]any{"target": b.Configuration.Target, "value": b.Configuration.Value}}
	if b.Notes != "" {
		out["notes"] = b.Notes
	}
	return out, nil
}

// normal writes addresses in one form, so that one rule is not there twice.
func (t *accessTarget) normal() {
	t.Value = strings.TrimSpace(t.Value)
	if a, err := netip.ParseAddr(t.Value); err == nil {
		t.Value = a.String()
	} else if p, err := netip.ParsePrefix(t.Value); err == nil {
		t.Value = p.Masked().String()
	}
}

// accessPointer turns the place in the configuration's list into that in the body.
func accessPointer(key string) string {
	return strings.TrimSuffix("/"+strings.TrimPrefix(oneAccess.ReplaceAllString(jsonPointer(key), ""), "/"), "/")
}

// accessRules lists IP access rules: ?mode, ?configuration.target, ?configuration.value, ?notes.
func (a *API) accessRules(c *call) (*reply, error) {
	out := []accessOut{}
	q := c.URL.Query()
	if c.zone.file == nil {
		err := a.view(c, func(t *store.Tx) error {
			all, err := t.Objects(kindAccess, c.zone.id)
			for _, o := range all {
				x, err := showAccess(o)
				if err != nil {
					return err
				}
				if (q.Get("mode") == "" || q.Get("mode") == x.Mode) && (q.Get("configuration.value") == "" || q.Get("configuration.value") == x.Configuration.Value) &&
					(q.Get("configuration.target") == "" || q.Get("configuration.target") == x.Configuration.Target) && strings.Contains(strings.ToLower(x.Notes), strings.ToLower(q.Get("notes"))) {
					out = append(out, x)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return page(c.Request, out)
}

func (a *API) accessRule(c *call) (*reply, error) {
	if c.zone.file != nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) {
		o, err = t.Object(kindAccess, c.zone.id, c.PathValue("rule"))
		return err
	}); err != nil {
		return nil, err
	}
	return accessReply(o)
}

func accessReply(o store.Object) (*reply, error) {
	out, err := showAccess(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

func (a *API) createAccessRule(c *call) (*reply, error) {
	var in accessIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	b := accessBody{Mode: in.Mode, Notes: text(in.Notes), Configuration: in.Configuration}
	b.Configuration.normal()
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: kindAccess, Zone: c.zone.id, Name: b.Configuration.Target + " " + b.Configuration.Value, Body: raw}
	err = a.change(c, func(t *store.Tx) error {
		if err := t.Lock(c.zone.id); err != nil {
			return err
		}
		if err := t.AddObject(&o, nil); err != nil {
			return err
		}
		return a.checkZone(t, c.zone.id, accessPointer)
	})
	if errors.Is(err, store.ErrExists) {
		err = &failure{http.StatusBadRequest, codeDuplicateAccess, "firewallaccessrules.api.duplicate_of_existing"}
	}
	if err != nil {
		return nil, err
	}
	return accessReply(o)
}

func (a *API) changeAccessRule(c *call) (*reply, error) {
	var in accessIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	var o store.Object
	err := a.change(c, func(t *store.Tx) (err error) {
		if o, err = t.Object(kindAccess, c.zone.id, c.PathValue("rule")); err != nil {
			return err
		}
		if o.Version, err = c.version(o.Version); err != nil {
			return err
		}
		var b accessBody
		if err = json.Unmarshal(o.Body, &b); err != nil {
			return err
		}
		in.Configuration.normal()
		if in.Configuration != (accessTarget{}) && in.Configuration != b.Configuration {
			return invalid(codeField, "/configuration", "the configuration of a rule cannot be changed: delete it and make another")
		}
		if in.Mode != "" {
			b.Mode = in.Mode
		}
		if in.Notes != nil {
			b.Notes = *in.Notes
		}
		if o.Body, err = json.Marshal(b); err != nil {
			return err
		}
		if err = t.PutObject(&o, nil, nil); err != nil {
			return err
		}
		return a.checkZone(t, c.zone.id, accessPointer)
	})
	if err != nil {
		return nil, err
	}
	return accessReply(o)
}

func (a *API) deleteAccessRule(c *call) (*reply, error) {
	id := c.PathValue("rule")
	err := a.change(c, func(t *store.Tx) error { return t.DeleteObject(kindAccess, c.zone.id, id, 0, nil) })
	return &reply{result: map[string]string{"id": id}}, err
}
