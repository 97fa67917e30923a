package cdn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/internal/cdn"
)

// source is where a CDN publishes its ranges in a form for programs, and how they are
// read there.
type source struct {
	cdn  cdn.ID
	urls []string
	read func(raw []byte) ([]string, error)
}

// sources lists them; one line adds one. Akamai, Azure and Google publish for people,
// or under addresses that change (see the lists' own source).
var sources = []source{
	{cdn.Cloudflare, []string{DefaultBase + "/ips"}, readV4List},
	{cdn.CloudFront, []string{"https://ip-ranges.amazonaws.com/ip-ranges.json"}, readAWSList},
	{cdn.Fastly, []string{"https://api.fastly.com/public-ip-list"}, readFastlyList},
	{cdn.Bunny, []string{"https://api.bunny.net/system/edgeserverlist", "https://api.bunny.net/system/edgeserverlist/IPv6"}, readBareList},
}

// maxPublished bounds a published file: Amazon's, the largest, has some 2 MB.
const maxPublished = 16 << 20

// ErrNoList says that the CDN's answer holds no list of ranges.
var ErrNoList = errors.New("the CDN's answer is no list of ranges")

// ErrUnpublished says that a CDN publishes no list that a program can read.
var ErrUnpublished = errors.New("publishes no list of ranges in a form that can be read here")

// Publishes lists the CDNs of which today's ranges can be read.
func Publishes() (ids []cdn.ID) {
	for _, s := range sources {
		ids = append(ids, s.cdn)
	}
	return ids
}

// Today reads the ranges that a CDN publishes today, whole or not at all, in order.
// base stands in for the host of Cloudflare's API; empty = its own. token goes to
// that host alone: an edge of one's own wants one.
func Today(ctx context.Context, id cdn.ID, base, token string) ([]netip.Prefix, error) {
	i := slices.IndexFunc(sources, func(s source) bool { return s.cdn == id })
	if i < 0 {
		return nil, fmt.Errorf("%s %w", id.Title(), ErrUnpublished)
	}
	urls, asked := sources[i].urls, ""
	if id == cdn.Cloudflare && base != "" {
		api, err := BaseURL(base)
		if err != nil {
			return nil, err
		}
		urls, asked = []string{api + "ips"}, token
	}
	var all []string
	for _, u := range urls {
		raw, err := download(ctx, u, asked)
		if err != nil {
			return nil, fmt.Errorf("read the ranges of %s: %w", id.Title(), err)
		}
		some, err := sources[i].read(raw)
		if err != nil {
			return nil, fmt.Errorf("read the ranges of %s from %s: %w", id.Title(), u, err)
		}
		all = append(all, some...)
	}
	return ordered(all)
}

// ReadPublished reads a list that was downloaded.
func ReadPublished(id cdn.ID, raw []byte) ([]netip.Prefix, error) {
	i := slices.IndexFunc(sources, func(s source) bool { return s.cdn == id })
	if i < 0 {
		return nil, fmt.Errorf("%s %w", id.Title(), ErrUnpublished)
	}
	all, err := sources[i].read(raw)
	if err != nil {
		return nil, err
	}
	return ordered(all)
}

func ordered(texts []string) ([]netip.Prefix, error) {
	for i, s := range texts {
		if a, err := netip.ParseAddr(s); err == nil { // single addresses
			texts[i] = netip.PrefixFrom(a, a.BitLen()).String()
		}
	}
	out, err := prefixes(texts)
	if err == nil && len(out) == 0 {
		err = ErrNoList
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), err
}

func download(ctx context.Context, url, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d: %w", url, resp.StatusCode, ErrNoList)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxPublished+1))
	if err == nil && len(raw) > maxPublished {
		err = fmt.Errorf("%s is longer than %d bytes: %w", url, maxPublished, ErrNoList)
	}
	return raw, err
}

// decoded reads JSON, or says that it is no list.
func decoded(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %w", ErrNoList, err)
	}
	return nil
}

func readV4List(raw []byte) ([]string, error) {
	var f struct {
		Result struct {
			V4 []string `json:"ipv4_cidrs"`
			V6 []string `json:"ipv6_cidrs"`
		}
	}
	err := decoded(raw, &f)
	return append(f.Result.V4, f.Result.V6...), err
}

// readAWSList takes the ranges that connect to origins out of all of Amazon's.
func readAWSList(raw []byte) (out []string, err error) {
	type entry struct {
		V4      string `json:"ip_prefix"`
		V6      string `json:"ipv6_prefix"`
		Service string `json:"service"`
	}
	var f struct {
		V4 []entry `json:"prefixes"`
		V6 []entry `json:"ipv6_prefixes"`
	}
	err = decoded(raw, &f)
	for _, e := range append(f.V4, f.V6...) {
		if e.Service == "CLOUDFRONT_ORIGIN_FACING" {
			out = append(out, e.V4+e.V6)
		}
	}
	return out, err
}

func readFastlyList(raw []byte) ([]string, error) {
	var f struct {
		V4 []string `json:"addresses"`
		V6 []string `json:"ipv6_addresses"`
	}
	err := decoded(raw, &f)
	return append(f.V4, f.V6...), err
}

// readBareList reads a list of addresses, as JSON or one a line.
func readBareList(raw []byte) (out []string, err error) {
	if strings.HasPrefix(strings.TrimSpace(string(raw)), "[") {
		err = decoded(raw, &out)
		return out, err
	}
	return strings.Fields(string(raw)), nil
}
