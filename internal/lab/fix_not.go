package lab

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
	"github.com/originward/originward/internal/remedy"
)

// notCurable says why a world cannot be cured on its origin; empty = it must
// be. Worlds that are healthy, or broken elsewhere, have nothing to cure there.
func notCurable(w *World) string {
	switch {
	case w.Local != nil:
		return "the origin is this program's own"
	case w.Noisy || w.Undecided || len(w.Causes) == 0:
		return "no cause is named"
	case w.Shared:
		return "the host shares this machine's file system and processes"
	}
	if why, ok := notHere[w.Name]; ok {
		return why
	}
	for _, id := range w.Causes {
		c, _ := causes.Find(id)
		if !remedy.Cures(id) || c.Where == originward.WhereCDN && !curedAtCDN(w) {
			return string(id) + ": " + notOnHost(id)
		}
	}
	return ""
}

// notOnHost says why no change of the origin cures a cause.
func notOnHost(id originward.CauseID) string {
	if why, ok := byHand[id]; ok {
		return why
	}
	c, _ := causes.Find(id)
	switch c.Where {
	case originward.WhereCDN:
		return "cured in the CDN's configuration"
	case originward.WhereNetwork, originward.WhereProvider:
		return "cured by the network or the provider"
	case originward.WhereVisitor:
		return "nothing at the origin cures it"
	}
	return "no change of the host that is safe for every site cures it"
}

// curedAtCDN reports whether all of a world's causes are cured through the
// CDN's API, and so from anywhere.
func curedAtCDN(w *World) bool {
	for _, id := range w.Causes {
		if !remedy.CuresAtCDN(id) {
			return false
		}
	}
	return len(w.Causes) > 0
}

// needsZone reports whether a world's cure changes the zone at the CDN, or has
// its origin CA issue a certificate: the zone must be one that the API may write.
func needsZone(w *World) bool {
	issues := func(id originward.CauseID) bool {
		return strings.HasPrefix(string(id), "tls.") || id == "listener.tls-port-missing"
	}
	return curedAtCDN(w) || w.Zone == nil && slices.ContainsFunc(w.Causes, issues)
}
