package causes

import (
	"slices"

	"github.com/originward/originward/fact"
)

// At says at which line of a configuration a finding is to be mended, where
// nothing named a line so far.
func (c *Case) At(p fact.Place) *Case {
	if c.v.Subject.File == "" && p.File != "" {
		c.v.Subject.File, c.v.Subject.Line = p.File, p.Line
	}
	return c
}

// listenWhere is the line of the first listener that fits, of sites that name
// the host before all others.
func (v *View) listenWhere(fits func(fact.Listen) bool) fact.Place {
	var other fact.Place
	for _, it := range v.Live() {
		for _, s := range it.Fact.Sites {
			i := slices.IndexFunc(s.Listens, fits)
			if i < 0 {
				continue
			}
			if slices.ContainsFunc(s.Names, func(n string) bool { return lower(n) == lower(v.Host) }) {
				return s.Listens[i].Place
			}
			if other.File == "" {
				other = s.Listens[i].Place
			}
		}
		if i := slices.IndexFunc(it.Fact.Listens, fits); i >= 0 && other.File == "" {
			other = it.Fact.Listens[i].Place
		}
	}
	return other
}

// certPlace is the line that names the certificate which a leg serves: that of
// its file, else the site's listener.
func (v *View) certPlace(s served) fact.Place {
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if f.Place.File != "" && len(f.Chain) > 0 && f.Chain[0].SHA256 == s.leaf().SHA256 {
				return f.Place
			}
		}
	}
	return v.listenWhere(func(l fact.Listen) bool { return l.TLS && l.Port == s.leg.Port })
}

// bindPlace is the line by which the server of a unit asks for a port.
func (v *View) bindPlace(unit string, port uint16) fact.Place {
	for _, it := range v.web {
		if !hasAny(unit, it.Fact.Server) && !(it.Fact.Server == "apache" && hasAny(unit, "httpd")) {
			continue
		}
		if i := slices.IndexFunc(it.Fact.Listens, func(l fact.Listen) bool { return l.Port == port }); i >= 0 {
			return it.Fact.Listens[i].Place
		}
	}
	return fact.Place{}
}
