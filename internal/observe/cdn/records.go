package cdn

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// maxRecords bounds how many records of one name are kept; a name has a few.
const maxRecords = 100

// records reads every address and alias record of the host; without one, those
// of the wildcard that covers it.
func (o *observer) records(ctx context.Context, zone string) {
	for _, name := range append([]string{o.Host}, wildcards(o.Host)...) {
		found, ok := o.recordsOf(ctx, zone, name)
		if !ok {
			return
		}
		if len(found) > 0 || name == wildcards(o.Host)[len(wildcards(o.Host))-1] {
			o.recordsFact(ctx, zone, name, found)
			return
		}
	}
}

func (o *observer) recordsOf(ctx context.Context, zone, name string) ([]fact.CDNRecord, bool) {
	svc := dns.NewRecordService()
	params := dns.RecordListParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	params.PerPage.Value, params.PerPage.Present = maxRecords, true
	// Both forms of the filter: servers that know only one still filter, and what
	// comes is filtered again here.
	byName := []option.RequestOption{option.WithQuery("name", name), option.WithQuery("name.exact", name)}
	page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.V4PagePaginationArray[dns.RecordResponse], error) {
		return svc.List(ctx, params, append(opts, byName...)...)
	})
	if err != nil || status != http.StatusOK {
		o.failed(fact.QCDNRecords, "DNS records", status, err, dnsRead)
		return nil, false
	}
	var found []fact.CDNRecord
	for _, r := range page.Result {
		if !strings.EqualFold(strings.TrimSuffix(r.Name, "."), name) || !addressing(string(r.Type)) || len(found) == maxRecords {
			continue
		}
		found = append(found, recordOf(r))
	}
	return found, true
}

func addressing(t string) bool { return t == "A" || t == "AAAA" || t == "CNAME" }

func recordOf(r dns.RecordResponse) fact.CDNRecord {
	rec := fact.CDNRecord{
		ID: escape.Line(r.ID, 64), Type: string(r.Type), Name: escape.Line(r.Name, 253),
		Content: escape.Line(strings.TrimSuffix(r.Content, "."), 253), TTL: int(r.TTL),
		Modified: r.ModifiedOn, Comment: escape.Line(r.Comment, 200),
	}
	if strings.Contains(r.JSON.RawJSON(), `"proxied"`) {
		rec.Proxied = fact.TriOf(r.Proxied)
	}
	return rec
}

func (o *observer) recordsFact(ctx context.Context, zone, name string, found []fact.CDNRecord) {
	f := fact.CDNRecords{Name: name, Records: found}
	o.recorded = name == o.Host && len(found) > 0
	f.Covered, f.CoveredBy = o.covered(ctx, zone)
	var words []string
	for _, r := range found {
		colour := map[fact.Tri]string{fact.Yes: "proxied", fact.No: "DNS-only", fact.Unknown: "colour not known"}[r.Proxied]
		words = append(words, fmt.Sprintf("%s %s (%s)", r.Type, r.Content, colour))
	}
	text := fmt.Sprintf("the CDN has no address record for %s", o.Host)
	if len(words) > 0 {
		text = fmt.Sprintf("the CDN's records for %s: %s", name, strings.Join(words, ", "))
	}
	if f.Covered == fact.Yes {
		text += "; before them the name is taken by " + f.CoveredBy
	}
	o.add(f, originward.Subject{Host: o.Host}, escape.Line(text, 1000), o.reproduce("zones/"+zone+"/dns_records?name="+name))
	if o.balancer != "" {
		o.pools(ctx, zone, o.balancer)
	}
}

// wildcards are the wildcard names that cover a host, nearest first.
func wildcards(host string) []string {
	var out []string
	for _, s := range suffixes(host) {
		if s != host {
			out = append(out, "*."+s)
		}
	}
	if len(out) == 0 {
		return []string{host}
	}
	return out
}
