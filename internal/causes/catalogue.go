package causes

import (
	"slices"

	"github.com/originward/originward"
)

// Catalogue lists every cause, family by family. It is the one list: help,
// documentation, judging and the lab read it.
func Catalogue() []Cause {
	return slices.Concat(
		listenerCauses(), firewallCauses(), banCauses(), dnsCauses(), cdnCauses(), tunnelCauses(),
		tlsCauses(), tlsMoreCauses(), httpCauses(), backendCauses(), capacityCauses(), pathCauses(), alikeCauses(),
	)
}

// Find gives the catalogue's entry for an id.
func Find(id originward.CauseID) (Cause, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(c Cause) bool { return c.ID == id })
	if i < 0 {
		return Cause{}, false
	}
	return all[i], true
}

// ids makes a list of ids short to write.
func ids(s ...originward.CauseID) []originward.CauseID { return s }

// The looks that needs ask for.
var (
	needListeners = needHost("listeners", lookListeners.How)
	needFirewall  = needHost("firewall", lookFirewall.How)
	needWeb       = needHost("web_config", lookWeb.How)
	needLogs      = needHost("logs", lookLogs.How)
	needServices  = needHost("services", lookServices.How)
	needRoutes    = needHost("routes", lookRoutes.How)
	needCounters  = needHost("counters", lookCounters.How)
	needTunnel    = needHost("tunnel", lookTunnel.How)
	needRecords   = needCDN("cdn_records", lookRecords.How)
	needMode      = needCDN("cdn_settings", lookMode.How)
	needDirect    = needOutside("exchange", lookDirect.How)
	needVisit     = needEdge("edge_answer", lookEdge.How)
	needSymptom   = Need{[]originward.Vantage{originward.Edge, originward.Outside, originward.Host}, "exchange", lookEdge.How}
)

// needs makes a list of needs.
func needs(n ...Need) []Need { return n }
