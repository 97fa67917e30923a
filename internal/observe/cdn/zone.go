package cdn

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"
	"github.com/cloudflare/cloudflare-go/v7/zones"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// zone finds the zone that holds the host: the longest suffix for which the
// account has one.
func (o *observer) zone(ctx context.Context) (id string, ok bool) {
	svc := zones.NewZoneService()
	for _, name := range suffixes(o.Host) {
		params := zones.ZoneListParams{}
		params.Name.Value, params.Name.Present = name, true
		page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.V4PagePaginationArray[zones.Zone], error) {
			return svc.List(ctx, params, opts...)
		})
		if status == http.StatusBadRequest { // a token that is none: its very form is refused
			status = http.StatusUnauthorized
		}
		if err != nil || status != http.StatusOK {
			o.failed("", "zones", status, err, zoneRead)
			return "", false
		}
		for _, z := range page.Result {
			if strings.EqualFold(z.Name, name) && !plainID(z.ID) {
				o.miss("", "the CDN's API gives its zone an id that is none", "")
				return "", false
			}
			if strings.EqualFold(z.Name, name) {
				o.zoneFact(z)
				o.account, o.zoneName = z.Account.ID, z.Name
				if !plainID(o.account) {
					o.account = ""
				}
				return z.ID, true
			}
		}
	}
	o.miss("", fmt.Sprintf("no zone of this account holds %s", o.Host), "give a token of the account that holds the zone, with the permission "+zoneRead)
	return "", false
}

func (o *observer) zoneFact(z zones.Zone) {
	f := fact.CDNZone{
		Provider: o.provider, ID: escape.Line(z.ID, 64), Name: escape.Line(z.Name, 253),
		Status: escape.Line(string(z.Status), 32),
	}
	if raw := z.JSON.RawJSON(); strings.Contains(raw, `"paused"`) {
		f.Paused = fact.TriOf(z.Paused)
	}
	text := fmt.Sprintf("the CDN has the zone %s, status %s", f.Name, f.Status)
	if f.Paused == fact.Yes {
		text += ", paused"
	}
	o.zoneSeen(f, text, "zones?name="+z.Name)
}

// suffixes lists the names that a zone of the host can have, longest first. A
// zone has at least two labels.
func suffixes(host string) []string {
	labels := strings.Split(host, ".")
	var out []string
	for i := 0; i+2 <= len(labels); i++ {
		out = append(out, strings.Join(labels[i:], "."))
	}
	return out
}

// plainID tells an id that can stand in a path as it is.
func plainID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}
