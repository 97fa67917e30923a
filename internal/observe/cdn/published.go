package cdn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/ips"
	"github.com/cloudflare/cloudflare-go/v7/option"
)

// DefaultBase is where Cloudflare's API is.
const DefaultBase = "https://api.cloudflare.com/client/v4"

// ErrNoList says that the CDN's answer holds no list of ranges.
var ErrNoList = errors.New("the CDN's answer is no list of ranges")

// Published reads the ranges that the CDN publishes today, whole or not at
// all. It needs no token. base is the API's URL; empty = DefaultBase.
func Published(ctx context.Context, base string) ([]netip.Prefix, error) {
	if base == "" {
		base = DefaultBase
	}
	url, err := BaseURL(base)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var res *http.Response
	list, err := ips.NewIPService(option.WithBaseURL(url)).List(ctx, ips.IPListParams{}, option.WithResponseInto(&res), option.WithMaxRetries(2))
	if err != nil {
		return nil, fmt.Errorf("read the CDN's ranges from %s: %w", url, err)
	}
	if res == nil || res.StatusCode != http.StatusOK || list == nil {
		return nil, fmt.Errorf("read the CDN's ranges from %s: %w", url, ErrNoList)
	}
	public, ok := list.AsUnion().(ips.IPListResponsePublicIPIPs)
	if !ok {
		return nil, fmt.Errorf("read the CDN's ranges from %s: %w", url, ErrNoList)
	}
	out, err := prefixes(append(public.IPV4CIDRs, public.IPV6CIDRs...))
	if err != nil {
		return nil, fmt.Errorf("read the CDN's ranges from %s: %w", url, err)
	}
	return out, nil
}
