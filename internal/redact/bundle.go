package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// ForBundle makes a redactor for a bundle: it learns from it the origin's own
// addresses and the other sites of the host.
func ForBundle(m *Map, b *originward.Bundle, public bool) *Redactor {
	own := map[netip.Addr]bool{}
	for _, e := range b.Evidence {
		if e.Subject.Addr.IsValid() {
			own[e.Subject.Addr] = true
		}
	}
	var sites []string
	for _, a := range fact.All[fact.Addresses](b, originward.Host) {
		for _, p := range a.Fact.Public {
			own[p] = true
		}
	}
	for _, d := range fact.All[fact.DNS](b) {
		for _, a := range d.Fact.Addrs() {
			own[a] = true
		}
	}
	for _, w := range fact.All[fact.WebConfig](b) {
		for _, s := range w.Fact.Sites {
			sites = append(sites, s.Names...)
		}
	}
	for _, c := range fact.All[fact.Certificates](b) {
		for _, f := range c.Fact.Files {
			sites = append(sites, f.Names...)
			for _, x := range f.Chain {
				sites = append(sites, x.Names...)
			}
		}
	}
	for _, t := range fact.All[fact.Tunnel](b) {
		for _, i := range t.Fact.Ingress {
			sites = append(sites, i.Hostname)
		}
	}
	o := Options{Host: b.Host, Public: public}
	for a := range own {
		o.Origins = append(o.Origins, a)
	}
	r := New(m, o)
	r.Sites(sites)
	return r
}

// Bundle gives a bundle with everything replaced. It can be explained like the
// one it came from.
func (r *Redactor) Bundle(b *originward.Bundle) (*originward.Bundle, error) {
	raw, err := r.remade(b)
	if err != nil {
		return nil, err
	}
	out, err := fact.ReadBundle(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("redacted evidence: %w", err)
	}
	return out, nil
}

// Diagnosis gives a diagnosis with everything replaced.
func (r *Redactor) Diagnosis(d *originward.Diagnosis) (*originward.Diagnosis, error) {
	raw, err := r.remade(d)
	if err != nil {
		return nil, err
	}
	var out originward.Diagnosis
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("redacted diagnosis: %w", err)
	}
	for i := range out.Evidence {
		if err := fact.Type(&out.Evidence[i]); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// remade is the JSON of v with every text in it replaced. Numbers keep their
// digits.
func (r *Redactor) remade(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(r.Tree(tree))
}
