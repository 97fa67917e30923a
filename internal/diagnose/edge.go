package diagnose

import (
	"context"

	"github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/observe/viaedge"
)

// observeEdge visits the site through its edge, and asks the edge for its own
// record of these visits where its API is at hand.
func (a *Ask) observeEdge(ctx context.Context, g *gathered) {
	g.add(viaedge.Observe(ctx, a.edgeAsk()))
}

func (a *Ask) edgeAsk() viaedge.Ask {
	ask := viaedge.Ask{
		Host: a.Site.Host, Path: a.Site.Path, Scheme: a.Site.Scheme, Port: a.Site.Port,
		Servers: a.servers(), Patient: a.Patient, Now: a.Now,
	}
	if a.Edge.IsValid() {
		ask.Edges = []viaedge.Edge{{Addr: a.Edge.Addr(), Port: a.Edge.Port()}}
	}
	if a.CDNAPI != "" && cdn.HasRecord(a.CDN) {
		ask.API = &viaedge.API{Base: a.CDNAPI, Token: a.CDNToken}
	}
	return ask
}
