package edgeapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

// accountID is the id of the edge's one account, and of its one user.
var accountID = rules.ID("account", "originward")

// identity is who makes a call.
type identity struct {
	root   bool // may do everything: a token of the configuration file, or a local call without one
	actor  store.Actor
	token  *token // of the store; nil = none
	verify string // id of the token that was given; empty = none
}

type identityKey struct{}

// token is a token of the store, ready to be asked.
type token struct {
	store.Token
	policies []policy
	from     condition
}

// policy is one policy of a token, as the API writes it.
type policy struct {
	ID        string                     `json:"id"`
	Effect    string                     `json:"effect"`
	Resources map[string]json.RawMessage `json:"resources"`
	Groups    []groupRef                 `json:"permission_groups"`
}

type groupRef struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// condition is from where a token may be used.
type condition struct {
	RequestIP struct {
		In    []string `json:"in,omitempty"`
		NotIn []string `json:"not_in,omitempty"`
	} `json:"request_ip"`
}

// allows tells whether the condition lets an address through.
func (c condition) allows(a netip.Addr) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool {
			p, err := parseRange(s)
			return err == nil && p.Contains(a)
		})
	}
	return (len(c.RequestIP.In) == 0 || in(c.RequestIP.In)) && !in(c.RequestIP.NotIn)
}

// parseRange reads an address or a range.
func parseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// need is a permission that a call needs. The zero need is any valid token.
type need struct {
	group string // for example DNS
	write bool
}

func (n need) String() string {
	if n.write {
		return n.group + " Write"
	}
	return n.group + " Read"
}

// may tells whether the caller has a permission for a zone; an empty zone is the account.
func (who identity) may(n need, zone string) bool {
	if who.root || n.group == "" {
		return true
	}
	if who.token == nil {
		return false
	}
	allowed := false
	for _, p := range who.token.policies {
		if !p.grants(n) || !p.covers(zone) {
			continue
		}
		if p.Effect != "allow" {
			return false // a denial wins
		}
		allowed = true
	}
	return allowed
}

func (p policy) grants(n need) bool {
	for _, g := range p.Groups {
		if x, ok := groupByID(g.ID); ok && x.need.group == n.group && (x.need.write || !n.write) {
			return true
		}
	}
	return false
}

// covers tells whether the policy is about a zone; an empty zone is the account.
func (p policy) covers(zone string) bool {
	const base = "com.cloudflare.api."
	for name, value := range p.Resources {
		name = strings.TrimPrefix(name, base)
		switch {
		case zone != "" && (name == "account.zone.*" || name == "account.zone."+zone):
			return true
		case name == "account.*" || name == "account."+accountID || name == "user."+accountID || name == "user.*":
			var inner map[string]string
			if zone == "" {
				return true
			}
			if json.Unmarshal(value, &inner) == nil && (inner[base+"account.zone.*"] == "*" || inner[base+"account.zone."+zone] == "*") {
				return true
			}
		}
	}
	return false
}

// identify finds out who makes a request, or says why it is refused.
func (a *API) identify(r *http.Request) (identity, *failure) {
	ip := clientAddr(r)
	who := identity{actor: store.Actor{IP: ip.String(), Agent: escape.Line(r.UserAgent(), 100)}}
	tokens := a.edge.Config().Tokens
	given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given = strings.TrimSpace(given)
	if bearer && a.inner != "" && subtle.ConstantTimeCompare([]byte(given), []byte(a.inner)) == 1 {
		who.root, who.actor.Type = true, "inner"
		return who, nil
	}
	if bearer && (len(tokens) > 0 || a.live.hasTokens()) {
		sum := sha256.Sum256([]byte(given))
		for _, t := range tokens {
			if subtle.ConstantTimeCompare(sum[:], t.SHA256[:]) == 1 {
				who.root, who.verify = true, rules.ID("token", t.Name)
				who.actor.Type, who.actor.ID, who.actor.Name = "file-token", who.verify, t.Name
				return who, nil
			}
		}
		if t := a.live.token(hex.EncodeToString(sum[:])); t != nil {
			if why := t.refuses(a.now(), ip); why != "" {
				return who, &failure{http.StatusForbidden, codeForbidden, "Unauthorized to access requested resource: " + why}
			}
			who.token, who.verify = t, t.ID
			who.actor.Type, who.actor.ID, who.actor.Name = "token", t.ID, t.Name
			return who, nil
		}
		return who, &failure{http.StatusForbidden, codeAuth, "Authentication error: this token is none of this edge's"}
	}
	if !a.open {
		return who, &failure{http.StatusUnauthorized, codeAuth, "Authentication error: send Authorization: Bearer TOKEN, a token of api_tokens or one made through this API"}
	}
	// A web page in this machine's browser could reach the API under a name of its own
	// that leads to a loopback address, or post a form to it.
	if !localHost(r.Host) {
		return who, &failure{http.StatusForbidden, codeAuth, "Authentication error: without a token, the API is asked by its address or as localhost"}
	}
	if err := a.foreign.Check(r); err != nil {
		return who, &failure{http.StatusForbidden, codeAuth, "Authentication error: without a token, nothing is changed for a web page of another site"}
	}
	who.root, who.actor.Type = true, "local"
	return who, nil
}

// refuses tells why a token that is known is not accepted now; empty = it is.
func (t *token) refuses(now time.Time, from netip.Addr) string {
	switch {
	case t.Status != "active":
		return "the token is " + t.Status
	case !t.NotBefore.IsZero() && now.Before(t.NotBefore):
		return "the token is not valid yet"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "the token has expired"
	case !t.from.allows(from):
		return "the token may not be used from " + from.String()
	}
	return ""
}

func clientAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// How many calls one caller may make (Cloudflare's API: 1,200 per five minutes).
const (
	throttleRequests = 1200
	throttlePeriod   = 5 * time.Minute
	// maxCallers bounds the memory for callers; beyond it all begin anew.
	maxCallers = 10_000
)

// throttle counts calls by caller.
type throttle struct {
	now func() time.Time

	mu      sync.Mutex
	callers map[string]*window // guarded by mu
}

type window struct {
	began time.Time
	n     int
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, callers: map[string]*window{}}
}

// take counts a call; ok is false when there were too many, and wait is how long
// that lasts. Those of the owner are not counted.
func (t *throttle) take(who identity) (wait time.Duration, ok bool) {
	if who.root || who.verify == "" {
		return 0, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	w := t.callers[who.verify]
	if w == nil || now.Sub(w.began) >= throttlePeriod {
		if len(t.callers) >= maxCallers {
			clear(t.callers)
		}
		w = &window{began: now}
		t.callers[who.verify] = w
	}
	w.n++
	if w.n > throttleRequests {
		return throttlePeriod - now.Sub(w.began), false
	}
	return 0, true
}

// group is a permission group under Cloudflare's id and name.
type group struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	need   need
}

// scopes of permission groups.
const (
	zoneScope    = "com.cloudflare.api.account.zone"
	accountScope = "com.cloudflare.api.account"
	userScope    = "com.cloudflare.api.user"
)

// groups lists the permission groups that mean something here (ids as
// Cloudflare's API lists them at user/tokens/permission_groups).
var groups = []group{
	newGroup("c8fed203ed3043cba015a93ad1616f1f", zoneScope, "Zone", false),
	newGroup("e6d2666161e84845a636613608cee8d5", zoneScope, "Zone", true),
	newGroup("82e64a83756745bbbb1c9c2701bf816b", zoneScope, "DNS", false),
	newGroup("4755a26eedb94da69e1066d98aa820be", zoneScope, "DNS", true),
	newGroup("517b21aee92c4d89936c976ba6e4be55", zoneScope, "Zone Settings", false),
	newGroup("3030687196b94b638145a3953da2b699", zoneScope, "Zone Settings", true),
	newGroup("7b7216b327b04b8fbc8f524e1f9b7531", zoneScope, "SSL and Certificates", false),
	newGroup("c03055bc037c4ea9afb9a9f104b7b721", zoneScope, "SSL and Certificates", true),
	newGroup("dbc512b354774852af2b5a5f4ba3d470", zoneScope, "Zone WAF", false),
	newGroup("fb6778dc191143babbfaa57993f1d275", zoneScope, "Zone WAF", true),
	newGroup("4ec32dfcb35641c5bb32d5ef1ab963b4", zoneScope, "Firewall Services", false),
	newGroup("43137f8d07884d3198dc0ee77ca6e79b", zoneScope, "Firewall Services", true),
	newGroup("a2431ca73b7d41f99c53303027392586", zoneScope, "Custom Pages", false),
	newGroup("c244ec076974430a88bda1cdd992d0d9", zoneScope, "Custom Pages", true),
	newGroup("e17beae8b8cb423a99b1730f21238bed", zoneScope, "Cache Purge", true),
	newGroup("9c88f9c5bce24ce7af9a958ba9c504db", zoneScope, "Analytics", false),
	newGroup("c4a30cd58c5d42619c86a3c36c441e2d", zoneScope, "Logs", false),
	newGroup("e9a975f628014f1d85b723993116f7d5", zoneScope, "Load Balancers", false),
	newGroup("6d7f2f5f5b1d4a0e9081fdc98d432fd1", zoneScope, "Load Balancers", true),
	newGroup("9d24387c6e8544e2bc4024a03991339f", accountScope, "Load Balancing: Monitors and Pools", false),
	newGroup("d2a1802cc9a34e30852f8b33869b2f3c", accountScope, "Load Balancing: Monitors and Pools", true),
	newGroup("c1fde68c7bcc44588cbb6ddbc16d6480", accountScope, "Account Settings", false),
	newGroup("1af1fa2adc104452b74a9a3364202f20", accountScope, "Account Settings", true),
	newGroup("4f1071168de8466e9808de86febfc516", accountScope, "Account Rule Lists", false),
	newGroup("2edbf20661fd4661b0fe10e9e12f485c", accountScope, "Account Rule Lists", true),
	newGroup("de7a688cc47d43bd9ea700b467a09c96", accountScope, "Account Firewall Access Rules", false),
	newGroup("a416acf9ef5a4af19fb11ed3b96b1fe6", accountScope, "Account Firewall Access Rules", true),
	newGroup("eb56a6953c034b9d97dd838155666f06", accountScope, "API Tokens", false),
	newGroup("5bc3f8b21c554832afc660159ab75fa4", accountScope, "API Tokens", true),
}

func newGroup(id, scope, name string, write bool) group {
	n := need{name, write}
	g := group{ID: id, Name: n.String(), Scopes: []string{scope}, need: n}
	if name == "Cache Purge" {
		g.Name = name
	}
	if name == "API Tokens" {
		g.Name, g.Scopes = "Account "+g.Name, []string{accountScope, userScope}
	}
	return g
}

func groupByID(id string) (group, bool) {
	for _, g := range groups {
		if g.ID == id {
			return g, true
		}
	}
	return group{}, false
}

// groupOf finds a permission group by id, or by name when it has none.
func groupOf(r groupRef) (group, error) {
	if g, ok := groupByID(r.ID); ok {
		return g, nil
	}
	for _, g := range groups {
		if r.ID == "" && strings.EqualFold(g.Name, r.Name) {
			return g, nil
		}
	}
	return group{}, fmt.Errorf("no permission group has the id %q: GET %s/user/tokens/permission_groups lists them", escape.Line(r.ID+r.Name, 64), Prefix)
}
