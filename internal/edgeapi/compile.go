package edgeapi

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/store"
)

// Kinds of objects in the store.
const (
	kindRuleset  = "ruleset"          // name = phase
	kindCert     = "certificate"      // for visitors
	kindPullCert = "pull_certificate" // for origins
	kindAccess   = "access_rule"      // name = target and value
	kindAgent    = "agent_rule"
	kindPage     = "error_page" // name = its id; without a zone, of the account
	kindList     = "list"       // of the account; name = its name
)

// compileZone reads a zone of the store in the form in which the edge serves it:
// settings and rules go the way of the configuration file, so that both speak one
// language.
func compileZone(t *store.Tx, id string, cfg *config.Config) (config.Zone, error) {
	z, err := t.Zone(id)
	if err != nil {
		return config.Zone{}, err
	}
	objects, err := t.ZoneObjects(id)
	if err != nil {
		return config.Zone{}, err
	}
	use, err := useOf(t, cfg, objects)
	if err != nil {
		return config.Zone{}, err
	}
	out, err := compileParts(z, objects, use, cfg.PullCert == nil)
	if err != nil {
		return config.Zone{}, err
	}
	records, err := t.Records(id)
	if err != nil {
		return config.Zone{}, err
	}
	for _, r := range records {
		out.Records = append(out.Records, edgeRecord(r, z.Paused))
	}
	return out, nil
}

// edgeRecord is a record as the edge has it. A paused zone is grey as a whole.
func edgeRecord(r store.Record, paused bool) originward.Record {
	x := originward.Record{Type: originward.RecordType(r.Type), Name: r.Name, Content: r.Content, Proxied: r.Proxied && !paused, TTL: r.TTL}
	if dnsrec.HasPriority(x.Type) {
		x.Content = fmt.Sprintf("%d %s", r.Priority, r.Content)
	}
	return x
}

// useOf is what expressions of stored zones find: the lists of the file and those
// of the store, and whether there is a database of addresses; load balancers find pools.
func useOf(t *store.Tx, cfg *config.Config, objects []store.Object) (config.Use, error) {
	use := config.Use{Places: cfg.Geo.Country != "" || cfg.Geo.ASN != ""}
	for _, l := range cfg.Lists {
		if l.Line > 0 {
			use.Lists = append(use.Lists, l)
		}
	}
	lists, err := storedLists(t)
	use.Lists = append(use.Lists, lists...)
	if err == nil && hasKind(objects, kindBalancer) {
		err = usePools(t, cfg, &use)
	}
	return use, err
}

// rulesOf are the rules of a zone's objects in the configuration's form.
func rulesOf(z store.Zone, objects []store.Object) (map[string]any, error) {
	rules, access, agents := map[string]any{}, []map[string]any{}, []map[string]any{}
	for _, o := range objects {
		switch o.Kind {
		case kindRuleset:
			p, ok := phaseOf(o.Name)
			if !ok {
				continue
			}
			var set rulesetBody
			if err := json.Unmarshal(o.Body, &set); err != nil {
				return nil, err
			}
			list := make([]map[string]any, len(set.Rules))
			for i, r := range set.Rules {
				list[i] = r.forConfig()
			}
			rules[p.key] = list
		case kindAccess:
			x, err := accessForConfig(o)
			if err != nil {
				return nil, err
			}
			access = append(access, x)
		case kindAgent:
			x, err := agentForConfig(o)
			if err != nil {
				return nil, err
			}
			agents = append(agents, x)
		}
	}
	rules["ip_access"], rules["user_agents"] = access, agents
	if v, ok := z.Settings["hotlink_protection"]; ok {
		rules["hotlink_protection"] = v
	}
	return rules, nil
}

// compileParts compiles settings, rules and certificates. ownPull has the switch for
// the edge's client certificate take the zone's: the edge has none.
func compileParts(z store.Zone, objects []store.Object, use config.Use, ownPull bool) (config.Zone, error) {
	doc := map[string]any{"name": z.Name}
	for _, s := range zoneSettings {
		if v, ok := z.Settings[s.id]; ok && s.key {
			doc[s.id] = v
		}
	}
	rules, err := rulesOf(z, objects)
	if err != nil {
		return config.Zone{}, err
	}
	doc["rules"] = rules
	if doc["load_balancers"], err = balancersForConfig(objects); err != nil {
		return config.Zone{}, err
	}
	raw, err := json.Marshal(map[string]any{"listen": map[string]any{}, "zones": []any{doc}})
	if err != nil {
		return config.Zone{}, err
	}
	loader := edge.Loader()
	loader.Use = use
	cfg, err := loader.Parse("store", raw)
	if err != nil {
		return config.Zone{}, err
	}
	out := cfg.Zones[0]
	out.TLSClientAuth = on(z.Settings[settingAuth])
	out.ACME = on(z.Settings[settingUniversal])
	out.ID, out.Line, out.Serial = z.ID, 0, uint32(z.Serial) //nolint:gosec // serials are 32 bits and go round (RFC 1982)
	if out.ErrorPages, err = pagesOf(objects); err != nil {
		return config.Zone{}, err
	}
	for _, o := range objects {
		switch o.Kind {
		case kindDNSSEC:
			out.DNSSEC, err = dnsKey(o)
		case kindCert:
			out.Certificate, err = keyPair(o.Body)
		case kindPullCert:
			if on(z.Settings[settingPull]) || ownPull && out.TLSClientAuth {
				out.ClientCert, err = keyPair(o.Body)
			}
		case kindHostPull:
			err = loadHostPull(&out, o, objects)
		case kindTrust:
			err = loadTrust(&out, o)
		}
		if err != nil {
			return config.Zone{}, err
		}
	}
	return out, nil
}

func on(v json.RawMessage) bool { return string(v) == `"on"` }

// keyPair reads a stored certificate; the newest of a zone is used.
func keyPair(body json.RawMessage) (*tls.Certificate, error) {
	var c certBody
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.PrivateKey))
	return &pair, err
}

// checkZone compiles a zone as a transaction leaves it: what the edge could not
// serve is refused before it is kept. pointer turns the place of a problem in the
// configuration's form into one of the request's body.
func (a *API) checkZone(t *store.Tx, id string, pointer func(key string) string) error {
	z, err := t.Zone(id)
	if err != nil {
		return err
	}
	objects, err := t.ZoneObjects(id)
	if err != nil {
		return err
	}
	own := a.edge.Config().PullCert == nil
	if own && on(z.Settings[settingAuth]) && !hasKind(objects, kindPullCert) {
		return invalid(codeSetting, "/value", "tls_client_auth needs a client certificate: the edge has none (origin_pull_certificate in its configuration), so upload one to origin_tls_client_auth first")
	}
	use, err := useOf(t, a.edge.Config(), objects)
	if err != nil {
		return err
	}
	if _, err = compileParts(z, objects, use, own); err == nil {
		return nil
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	return refused(problems, codeField, "", func(key string) string { return pointer(strings.TrimPrefix(key, "zones[0].")) })
}

func hasKind(objects []store.Object, kind string) bool {
	return slices.ContainsFunc(objects, func(o store.Object) bool { return o.Kind == kind })
}

var indexForm = regexp.MustCompile(`\[(\d+)\]`)

// jsonPointer turns a.b[1].c into /a/b/1/c.
func jsonPointer(key string) string {
	return "/" + strings.ReplaceAll(indexForm.ReplaceAllString(key, ".$1"), ".", "/")
}
