package edgeapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

// tokenIn is a token as a client writes it.
type tokenIn struct {
	Name      string     `json:"name"`
	Status    string     `json:"status,omitempty"` // active, disabled
	Policies  []policy   `json:"policies"`
	Condition *condition `json:"condition,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	ExpiresOn *time.Time `json:"expires_on,omitempty"`
}

// tokenOut is a token as it is shown; its value only when it was just made.
type tokenOut struct {
	store.Token
	Value string `json:"value,omitempty"`
}

// Bounds of a token.
const (
	maxName     = 120
	maxPolicies = 50
)

// fill checks what a client wrote and puts it into a token.
func (in tokenIn) fill(x *store.Token, who identity, now time.Time) error {
	if in.Name == "" || len(in.Name) > maxName {
		return invalid(codeField, "/name", fmt.Sprintf("name must have 1 to %d characters", maxName))
	}
	if len(in.Policies) == 0 || len(in.Policies) > maxPolicies {
		return invalid(codeField, "/policies", fmt.Sprintf("a token needs 1 to %d policies", maxPolicies))
	}
	for i := range in.Policies {
		if err := in.Policies[i].check(fmt.Sprintf("/policies/%d", i), who); err != nil {
			return err
		}
	}
	switch in.Status {
	case "":
		in.Status = "active"
	case "active", "disabled":
	default:
		return invalid(codeField, "/status", "status must be active or disabled")
	}
	x.Name, x.Status, x.Conditions, x.NotBefore, x.Expires = in.Name, in.Status, nil, time.Time{}, time.Time{}
	if in.NotBefore != nil {
		x.NotBefore = *in.NotBefore
	}
	if in.ExpiresOn != nil {
		x.Expires = *in.ExpiresOn
		if !x.Expires.After(now) || !x.Expires.After(x.NotBefore) {
			return invalid(codeField, "/expires_on", "expires_on must lie in the future, after not_before")
		}
	}
	var err error
	if in.Condition != nil {
		for _, list := range [][]string{in.Condition.RequestIP.In, in.Condition.RequestIP.NotIn} {
			for _, s := range list {
				if _, err := parseRange(s); err != nil {
					return invalid(codeField, "/condition/request_ip", fmt.Sprintf("%q is neither an address nor a range", escape.Line(s, 64)))
				}
			}
		}
		if x.Conditions, err = json.Marshal(in.Condition); err != nil {
			return err
		}
	}
	x.Policies, err = json.Marshal(in.Policies)
	return err
}

// check completes a policy. A token cannot give what it does not have itself.
func (p *policy) check(at string, who identity) error {
	if p.Effect != "allow" && p.Effect != "deny" {
		return invalid(codeField, at+"/effect", "effect must be allow or deny")
	}
	if len(p.Groups) == 0 {
		return invalid(codeField, at+"/permission_groups", "a policy needs permission groups")
	}
	if len(p.Resources) == 0 {
		return invalid(codeField, at+"/resources", `a policy needs resources, for example {"com.cloudflare.api.account.zone.*": "*"}`)
	}
	var zones []string
	for name := range p.Resources {
		if !strings.HasPrefix(name, accountScope) && !strings.HasPrefix(name, userScope) {
			return invalid(codeField, at+"/resources", fmt.Sprintf("no resource has the name %q", escape.Line(name, 100)))
		}
		if zone, ok := strings.CutPrefix(name, zoneScope+"."); ok {
			zones = append(zones, zone)
		} else {
			zones = append(zones, "")
		}
	}
	for i, ref := range p.Groups {
		g, err := groupOf(ref)
		if err != nil {
			return invalid(codeField, fmt.Sprintf("%s/permission_groups/%d/id", at, i), err.Error())
		}
		p.Groups[i] = groupRef{g.ID, g.Name}
		for _, z := range zones {
			if p.Effect == "allow" && !who.may(g.need, z) {
				return &failure{http.StatusForbidden, codeForbidden, "a token cannot give the permission " + g.Name + ", which it does not have itself"}
			}
		}
	}
	p.ID = store.NewID(time.Now())
	return nil
}

// newValue makes a token's value of 240 bits, in the form of Cloudflare's.
func newValue(x *store.Token) string {
	var b [30]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	value := base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(value))
	x.Hash = hex.EncodeToString(sum[:])
	return value
}

func (a *API) createToken(c *call) (*reply, error) {
	var in tokenIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	var x store.Token
	if err := in.fill(&x, c.who, a.now()); err != nil {
		return nil, err
	}
	value := newValue(&x)
	if err := a.change(c, func(t *store.Tx) error { return t.AddToken(&x) }); err != nil {
		return nil, err
	}
	return &reply{result: tokenOut{x, value}, tag: versionTag(x.Version)}, nil
}

func (a *API) tokens(c *call) (*reply, error) {
	out := []tokenOut{}
	if a.live != nil {
		if err := a.view(c, func(t *store.Tx) error {
			all, err := t.Tokens()
			for _, x := range all {
				out = append(out, tokenOut{Token: x})
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return page(c.Request, out)
}

// updateToken reads a token, lets f change it, and keeps it.
func (a *API) updateToken(c *call, f func(*store.Token) error) (store.Token, error) {
	var x store.Token
	err := a.change(c, func(t *store.Tx) (err error) {
		if x, err = t.Token(c.PathValue("token")); err != nil {
			return err
		}
		if x.Version, err = c.version(x.Version); err != nil {
			return err
		}
		if err = f(&x); err != nil {
			return err
		}
		return t.PutToken(&x)
	})
	return x, err
}

func (a *API) tokenByID(c *call) (*reply, error) {
	if a.live == nil {
		return nil, store.ErrNotFound
	}
	var x store.Token
	err := a.view(c, func(t *store.Tx) (err error) { x, err = t.Token(c.PathValue("token")); return err })
	return &reply{result: tokenOut{Token: x}, tag: versionTag(x.Version)}, err
}

func (a *API) changeToken(c *call) (*reply, error) {
	var in tokenIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	x, err := a.updateToken(c, func(x *store.Token) error { return in.fill(x, c.who, a.now()) })
	return &reply{result: tokenOut{Token: x}, tag: versionTag(x.Version)}, err
}

func (a *API) rollToken(c *call) (*reply, error) {
	var value string
	_, err := a.updateToken(c, func(x *store.Token) error { value = newValue(x); return nil })
	return &reply{result: value}, err
}

func (a *API) deleteToken(c *call) (*reply, error) {
	id := c.PathValue("token")
	err := a.change(c, func(t *store.Tx) error { return t.DeleteToken(id) })
	return &reply{result: map[string]string{"id": id}}, err
}

func (a *API) verifyToken(c *call) (*reply, error) {
	if c.who.verify == "" {
		return nil, &failure{http.StatusBadRequest, codeBadRequest, "no token to verify: send Authorization: Bearer TOKEN"}
	}
	out := map[string]any{"id": c.who.verify, "status": "active"}
	if t := c.who.token; t != nil {
		if !t.Expires.IsZero() {
			out["expires_on"] = t.Expires
		}
		if !t.NotBefore.IsZero() {
			out["not_before"] = t.NotBefore
		}
	}
	return &reply{result: out}, nil
}

func (a *API) permissionGroups(c *call) (*reply, error) {
	name := c.URL.Query().Get("name")
	out := []group{}
	for _, g := range groups {
		if name == "" || strings.EqualFold(g.Name, name) {
			out = append(out, g)
		}
	}
	return page(c.Request, out)
}

func (a *API) user(*call) (*reply, error) {
	return &reply{result: map[string]any{"id": accountID, "email": "", "first_name": nil, "last_name": nil, "suspended": false, "has_pro_zones": false}}, nil
}

type accountOut struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	Settings map[string]any `json:"settings"`
}

// theAccount is the one that an edge has.
func theAccount() accountOut {
	return accountOut{accountID, "Originward", "standard", map[string]any{"enforce_twofactor": false}}
}

func (a *API) accounts(c *call) (*reply, error) { return page(c.Request, []accountOut{theAccount()}) }

func (a *API) account(*call) (*reply, error) { return &reply{result: theAccount()}, nil }
