package edgeapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/originward/originward/internal/store"
)

// agentIn is a user agent blocking rule as a client writes it.
type agentIn struct {
	Mode          string       `json:"mode"` // block, challenge, js_challenge, managed_challenge
	Description   *string      `json:"description,omitempty"`
	Paused        *bool        `json:"paused,omitempty"`
	Configuration accessTarget `json:"configuration"` // target ua
}

// agentOut is a rule as it is kept and shown.
type agentOut struct {
	ID            string       `json:"id"`
	Mode          string       `json:"mode"`
	Description   string       `json:"description"`
	Paused        bool         `json:"paused"`
	Configuration accessTarget `json:"configuration"`
}

func showAgent(o store.Object) (out agentOut, err error) {
	err = json.Unmarshal(o.Body, &out)
	out.ID = o.ID
	return out, err
}

// agentForConfig is a rule in the configuration's form, which is the API's.
func agentForConfig(o store.Object) (map[string]any, error) {
	x, err := showAgent(o)
	out := map[string]any{"id": x.ID, "mode": x.Mode, "paused": x.Paused,
		"configuration": map[string]any{"target": x.Configuration.Target, "value": x.Configuration.Value}}
	if x.Description != "" {
		out["description"] = x.Description
	}
	return out, err
}

// over puts what a client writes over what there is.
func (in agentIn) over(x agentOut) agentOut {
	x.Mode, x.Configuration = in.Mode, in.Configuration
	if in.Description != nil {
		x.Description = *in.Description
	}
	if in.Paused != nil {
		x.Paused = *in.Paused
	}
	return x
}

// oneAgent is a rule of the configuration's list of user agent rules.
var oneAgent = regexp.MustCompile(`^/rules/user_agents/\d+`)

func agentPointer(key string) string {
	return strings.TrimSuffix("/"+strings.TrimPrefix(oneAgent.ReplaceAllString(jsonPointer(key), ""), "/"), "/")
}

func agentReply(o store.Object) (*reply, error) {
	out, err := showAgent(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

// agentRules lists the rules: ?user_agent, ?description and ?paused choose.
func (a *API) agentRules(c *call) (*reply, error) {
	out := []agentOut{}
	if c.zone.file == nil {
		all, err := shown(a, c, kindAgent, c.zone.id, showAgent)
		if err != nil {
			return nil, err
		}
		q := c.URL.Query()
		for _, x := range all {
			if strings.Contains(x.Configuration.Value, q.Get("user_agent")) && strings.Contains(x.Description, q.Get("description")) &&
				(q.Get("paused") == "" || (q.Get("paused") == "true") == x.Paused) {
				out = append(out, x)
			}
		}
	}
	return page(c.Request, out)
}

func (a *API) agentRule(c *call) (*reply, error) {
	if c.zone.file != nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	err := a.view(c, func(t *store.Tx) (err error) {
		o, err = t.Object(kindAgent, c.zone.id, c.PathValue("rule"))
		return err
	})
	if err != nil {
		return nil, err
	}
	return agentReply(o)
}

func (a *API) createAgentRule(c *call) (*reply, error) {
	var in agentIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(in.over(agentOut{}))
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: kindAgent, Zone: c.zone.id, Body: raw}
	err = a.change(c, func(t *store.Tx) error {
		if err := t.Lock(c.zone.id); err != nil {
			return err
		}
		if err := t.AddObject(&o, nil); err != nil {
			return err
		}
		return a.checkZone(t, c.zone.id, agentPointer)
	})
	if err != nil {
		return nil, err
	}
	return agentReply(o)
}

func (a *API) replaceAgentRule(c *call) (*reply, error) {
	var in agentIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	var o store.Object
	err := a.change(c, func(t *store.Tx) (err error) {
		if o, err = t.Object(kindAgent, c.zone.id, c.PathValue("rule")); err != nil {
			return err
		}
		if o.Version, err = c.version(o.Version); err != nil {
			return err
		}
		x, err := showAgent(o)
		if err != nil {
			return err
		}
		if o.Body, err = json.Marshal(in.over(x)); err != nil {
			return err
		}
		if err = t.PutObject(&o, nil, nil); err != nil {
			return err
		}
		return a.checkZone(t, c.zone.id, agentPointer)
	})
	if err != nil {
		return nil, err
	}
	return agentReply(o)
}

func (a *API) deleteAgentRule(c *call) (*reply, error) {
	id := c.PathValue("rule")
	err := a.change(c, func(t *store.Tx) error { return t.DeleteObject(kindAgent, c.zone.id, id, 0, nil) })
	return &reply{result: map[string]string{"id": id}}, err
}

// agentRoutes are the calls of user agent blocking.
func (a *API) agentRoutes() []route {
	const all, one = "/zones/{zone}/firewall/ua_rules", "/zones/{zone}/firewall/ua_rules/{rule}"
	return []route{
		{http.MethodGet, all, accessRead, a.agentRules, "list user agent blocking rules", nil, false},
		{http.MethodPost, all, accessWrite, a.createAgentRule, "add a user agent blocking rule", agentIn{}, false},
		{http.MethodGet, one, accessRead, a.agentRule, "one user agent blocking rule", nil, false},
		{http.MethodPut, one, accessWrite, a.replaceAgentRule, "replace a user agent blocking rule", agentIn{}, false},
		{http.MethodDelete, one, accessWrite, a.deleteAgentRule, "delete a user agent blocking rule", nil, false},
	}
}
