package originward

import "net/netip"

// Subject says what an observation or a finding is about. Findings are keyed
// by (cause, subject): IPv6 dead while IPv4 lives is a finding of its own.
// Empty fields mean "not part of the subject".
type Subject struct {
	Host   string         `json:"host,omitempty"`   // host name as visitors use it
	Addr   netip.Addr     `json:"addr,omitzero"`    // origin (or edge) address
	Port   uint16         `json:"port,omitempty"`   // TCP port
	Family Family         `json:"family,omitempty"` // address family
	Scheme string         `json:"scheme,omitempty"` // http or https
	Ranges []netip.Prefix `json:"ranges,omitempty"` // CDN ranges concerned; nil = all or not applicable
	Unit   string         `json:"unit,omitempty"`   // service, container or program
	File   string         `json:"file,omitempty"`   // configuration file, absolute
	Line   int            `json:"line,omitempty"`   // line in File, from 1
	Name   string         `json:"name,omitempty"`   // any other name: set, jail, record, certificate
}

// FamilyOf is the family of an address; empty for the zero address.
func FamilyOf(a netip.Addr) Family {
	switch {
	case !a.IsValid():
		return ""
	case a.Unmap().Is4():
		return IP4
	}
	return IP6
}
