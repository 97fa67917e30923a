package causes

import (
	"slices"
	"sync"

	"github.com/originward/originward"
)

// families lists the parts of the catalogue; one line adds one.
var families = []func() []Cause{
	listenerCauses, admitCauses, filterCauses, banCauses, recordCauses, routingCauses, cdnSettingCauses, cdnRunningCauses, tunnelCauses,
	certificateCauses, trustCauses, handshakeCauses, httpCauses, backendReachCauses, backendStateCauses,
	connectionCauses, resourceCauses, pathCauses, alikeCauses,
}

// catalogue is worked out once: it never changes.
var catalogue = sync.OnceValue(func() []Cause {
	var all []Cause
	for _, f := range families {
		all = append(all, f()...)
	}
	return all
})

var byID = sync.OnceValue(func() map[originward.CauseID]Cause {
	m := map[originward.CauseID]Cause{}
	for _, c := range catalogue() {
		m[c.ID] = c
	}
	return m
})

// Catalogue lists every cause, family by family. It is the one list: help,
// documentation, judging and the lab read it.
func Catalogue() []Cause { return slices.Clone(catalogue()) }

// Find gives the catalogue's entry for an id.
func Find(id originward.CauseID) (Cause, bool) {
	c, ok := byID()[id]
	return c, ok
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
)

// needs makes a list of needs.
func needs(n ...Need) []Need { return n }
