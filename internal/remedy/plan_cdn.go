package remedy

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// api is the CDN's API with the zone of the evidence.
func (s *site) api() (API, error) {
	if s.cdn.Base == "" {
		return API{}, errors.New("it is cured in the CDN's configuration: give --cdn-api and a token that may edit")
	}
	for _, it := range fact.All[fact.CDNZone](s.b, originward.CDN) {
		if it.Fact.Provider == "fastly" {
			return API{}, errors.New("services of Fastly are not changed from here: change the backend in a new version of the service and activate it")
		}
		if it.Fact.ID != "" {
			a := s.cdn
			a.Zone = it.Fact.ID
			return a, nil
		}
	}
	return API{}, errors.New("the evidence does not name the zone at the CDN; diagnose with --cdn-api")
}

// errBalanced says why a name's records are left alone.
var errBalanced = errors.New("a load balancer takes the name before its records: correct the origin's address in its pool")

// balanced reports that a load balancer at the CDN takes the name.
func (s *site) balanced() bool { return len(fact.All[fact.CDNBalancer](s.b, originward.CDN)) > 0 }

// records are the site's records of the evidence.
func (s *site) records() []fact.CDNRecord {
	var out []fact.CDNRecord
	for _, it := range fact.All[fact.CDNRecords](s.b, originward.CDN) {
		out = append(out, it.Fact.Records...)
	}
	return out
}

func contentOf(r fact.CDNRecord) RecordContent {
	ttl := r.TTL
	if ttl == 0 {
		ttl = 1 // automatic
	}
	return RecordContent{r.Type, r.Name, r.Content, r.Proxied == fact.Yes, ttl, r.Comment}
}

// planDropRecord deletes records at which no origin answers, where another one
// of the name does.
func planDropRecord(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	if s.balanced() {
		return nil, errBalanced
	}
	bad := func(r fact.CDNRecord) bool {
		return slices.ContainsFunc(found, func(f originward.Finding) bool {
			return f.Subject.Addr.IsValid() && f.Subject.Addr.String() == r.Content
		})
	}
	all := s.records()
	var steps []Step
	for _, r := range all {
		if !bad(r) || r.ID == "" {
			continue
		}
		st := step("record", "delete the record "+contentOf(r).String()+" at the CDN", &Record{API: a, ID: r.ID, Was: contentOf(r), Deleted: true})
		st.On = originward.WhereCDN
		steps = append(steps, st)
	}
	if len(steps) == 0 {
		return nil, errors.New("which record is the wrong one is not certain")
	}
	if len(steps) == len(all) {
		return nil, errors.New("it is the only record of the name: correct its address, which its owner knows")
	}
	return steps, nil
}

// planOrange has the record go through the CDN.
func planOrange(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, r := range s.records() {
		if r.Proxied != fact.No || r.ID == "" {
			continue
		}
		want := contentOf(r)
		want.Proxied = true
		st := step("record", "proxy the record "+contentOf(r).String()+" at the CDN", &Record{API: a, ID: r.ID, Was: contentOf(r), Want: want})
		st.On = originward.WhereCDN
		steps = append(steps, st)
	}
	if len(steps) == 0 {
		return nil, errors.New("no DNS-only record of the name was found")
	}
	return steps, nil
}

// planMode raises the SSL mode: to strict where the origin's certificate would
// be accepted, to full where it speaks TLS with another.
func planMode(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	tls, good := false, true
	for _, it := range fact.All[fact.Exchange](s.b, originward.Outside) {
		x := it.Fact
		if x.Variant != fact.VariantPlain || x.Scheme != "https" || x.TLS == nil || !x.TLS.Complete {
			continue
		}
		tls = true
		good = good && x.TLS.Judged == fact.Yes && len(x.TLS.Reasons) == 0
	}
	if !tls {
		return nil, errors.New("the origin speaks no TLS: install a certificate first (the CDN's origin CA issues them), then raise the mode")
	}
	st := step("ssl", "set the SSL mode to full (strict) at the CDN", &SSL{API: a, Want: originward.SSLStrict})
	if !good {
		st = step("ssl", "set the SSL mode to full at the CDN", &SSL{API: a, Want: originward.SSLFull})
		st.Risk = "mode full accepts any certificate, also a forged one"
		st.Better = "install a certificate that is valid for the name (the CDN's origin CA issues one), then set full (strict)"
	}
	st.On = originward.WhereCDN
	return []Step{st}, nil
}

// planRule switches off the rule that refuses the visitor.
func planRule(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	for _, it := range fact.All[fact.CDNRules](s.b, originward.CDN) {
		for _, r := range it.Fact.Evaluated {
			if r.ID == "" || !slices.ContainsFunc(found, func(f originward.Finding) bool { return f.Subject.Name == r.ID }) {
				continue
			}
			var st Step
			switch r.Kind {
			case "custom":
				st = step("rule", "switch off the CDN's custom rule that refuses the visitor", &Rule{API: a, ID: r.ID})
			case "ip_access":
				st = step("access", "delete the CDN's IP access rule that refuses the visitor", &AccessRule{API: a, ID: r.ID})
			case "rate_limit":
				return nil, errors.New("a rate limit refuses the visitor: which rate the site can bear, its owner knows")
			default:
				return nil, errors.New("which of the CDN's " + r.Kind + " rules should go, the site's owner has to say")
			}
			st.Risk = "whoever else the rule kept out comes in too"
			st.Better = "narrow the rule to those it is meant for, in the CDN's dashboard, where it is meant for anybody"
			st.On = originward.WhereCDN
			return []Step{st}, nil
		}
	}
	return nil, errors.New("which rule refuses the visitor is not certain; diagnose with --cdn-api and --ray")
}

// planAddress points a stale record at the host that serves the site: only
// where the host itself was looked at, and has one public address of the family.
func planAddress(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	if s.balanced() {
		return nil, errBalanced
	}
	var steps []Step
	for _, r := range s.records() {
		old, err := netip.ParseAddr(r.Content)
		if err != nil || r.ID == "" || !slices.ContainsFunc(found, func(f originward.Finding) bool { return f.Subject.Addr == old }) {
			continue
		}
		own := s.publicAddrs(originward.FamilyOf(old))
		if len(own) != 1 {
			return nil, errors.New("which address the record should hold is not certain: the host was not looked at, or has " + Plural(len(own), "public address", "public addresses") + " of the family")
		}
		want := contentOf(r)
		want.Content = own[0].String()
		st := step("record", "point the record "+r.Name+" at this host, "+want.Content, &Record{API: a, ID: r.ID, Was: contentOf(r), Want: want})
		st.Risk = "the host that was looked at has to be the origin that the site should have"
		st.On = originward.WhereCDN
		steps = append(steps, st)
	}
	if len(steps) == 0 {
		return nil, errors.New("which record is the wrong one is not certain")
	}
	return steps, nil
}

// publicAddrs are the public addresses of the host that was looked at.
func (s *site) publicAddrs(f originward.Family) (out []netip.Addr) {
	for _, it := range fact.All[fact.Addresses](s.b, originward.Host) {
		for _, a := range it.Fact.Public {
			if originward.FamilyOf(a) == f && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}
