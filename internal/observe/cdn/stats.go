package cdn

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// statsQuery counts answers by what the edge sent and what it got from the origin
// (graphql-api data set httpRequestsAdaptiveGroups).
const statsQuery = `query Stats($zone: string, $filter: filter) {
  viewer { zones(filter: {zoneTag: $zone}) { httpRequestsAdaptiveGroups(filter: $filter, limit: 100, orderBy: [count_DESC]) {
    count dimensions { coloCode edgeResponseStatus originResponseStatus } } } }
}`

// statsBack is how far back answers are counted.
const statsBack = 30 * time.Minute

// stats counts the answers of the last half hour by edge and origin status: it parts
// what the edge makes of its own from what it passes on, and tells how often.
func (o *observer) stats(ctx context.Context, zone string) {
	since := o.Now().Add(-statsBack).UTC().Truncate(time.Second)
	var zones []struct {
		Groups []struct {
			Count      int
			Dimensions struct {
				Colo   string `json:"coloCode"`
				Edge   int    `json:"edgeResponseStatus"`
				Origin int    `json:"originResponseStatus"`
			}
		} `json:"httpRequestsAdaptiveGroups"`
	}
	filter := map[string]any{"clientRequestHTTPHost": o.Host, "datetime_geq": since.Format(time.RFC3339), "datetime_lt": o.Now().UTC().Add(time.Second).Format(time.RFC3339)}
	if !o.graphQL(ctx, fact.QCDNStats, "counts of answers", statsQuery, map[string]any{"zone": zone, "filter": filter}, &zones) || len(zones) == 0 {
		return
	}
	f := fact.CDNStats{Since: since, Counts: []fact.CDNCount{}}
	bad, all := 0, 0
	for _, g := range zones[0].Groups {
		d := g.Dimensions
		f.Counts = append(f.Counts, fact.CDNCount{Edge: d.Edge, Origin: d.Origin, Count: g.Count, Colo: escape.Line(d.Colo, 8)})
		if all += g.Count; d.Edge >= http.StatusInternalServerError {
			bad += g.Count
		}
	}
	o.add(f, originward.Subject{Host: o.Host}, fmt.Sprintf("of the %d requests for %s in the last 30 minutes the CDN answered %d with a 5xx", all, o.Host, bad), o.reproduce("graphql"))
}
