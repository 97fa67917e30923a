package cdn

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/cloudflare/cloudflare-go/v7/ips"
	"github.com/cloudflare/cloudflare-go/v7/option"
)

// maxRanges bounds the published list; the longest known one has some
// hundreds.
const maxRanges = 2000

// ranges reads the ranges that the CDN publishes today; nil when it does not
// say, or says something that is no list of ranges.
func (o *observer) ranges(ctx context.Context) []netip.Prefix {
	svc := ips.NewIPService()
	res, status, err := call(o, func(opts ...option.RequestOption) (*ips.IPListResponse, error) {
		return svc.List(ctx, ips.IPListParams{}, opts...)
	})
	if err != nil || status != http.StatusOK || res == nil {
		return nil
	}
	list, ok := res.AsUnion().(ips.IPListResponsePublicIPIPs)
	if !ok {
		return nil
	}
	out, _ := prefixes(append(list.IPV4CIDRs, list.IPV6CIDRs...))
	return out
}

// prefixes reads a list whole, or not at all.
func prefixes(texts []string) (out []netip.Prefix, err error) {
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil || len(out) == maxRanges {
			return nil, fmt.Errorf("%q: %w", s, ErrNoList)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
