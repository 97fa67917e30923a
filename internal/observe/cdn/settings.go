package cdn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/zones"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// settingReaders lists the settings that are read and where each goes; one
// line adds one.
var settingReaders = []struct {
	name string
	set  func(*fact.CDNSettings, value)
}{
	{"ssl", func(f *fact.CDNSettings, v value) {
		if m, err := originward.ParseSSLMode(v.text()); err == nil {
			f.SSL = m
		}
	}},
	{"ssl_automatic_mode", func(f *fact.CDNSettings, v value) {
		switch v.text() {
		case "auto":
			f.SSLAuto = fact.Yes
		case "custom":
			f.SSLAuto = fact.No
		}
	}},
	{"always_use_https", func(f *fact.CDNSettings, v value) { f.AlwaysHTTPS = v.onOff() }},
	{"min_tls_version", func(f *fact.CDNSettings, v value) { f.MinTLS = escape.Line(v.text(), 16) }},
	{"origin_max_http_version", func(f *fact.CDNSettings, v value) {
		if t := v.text(); t != "" {
			f.HTTP2Origin = fact.TriOf(t == "2")
		}
	}},
	{"proxy_read_timeout", func(f *fact.CDNSettings, v value) { f.ReadTimeout = v.number() }},
	{"tls_client_auth", func(f *fact.CDNSettings, v value) { f.OriginPull = v.onOff() }},
	{"always_online", func(f *fact.CDNSettings, v value) { f.AlwaysOnline = v.onOff() }},
}

// value is a setting's value as the API wrote it: text, number or neither.
type value json.RawMessage

func (v value) text() string {
	var s string
	_ = json.Unmarshal(v, &s) // not a text: empty
	return s
}

func (v value) number() int {
	var n float64
	if json.Unmarshal(v, &n) == nil {
		return int(n)
	}
	_, _ = fmt.Sscan(v.text(), &n) // some servers write numbers as text; neither: 0
	return int(n)
}

func (v value) onOff() fact.Tri {
	switch v.text() {
	case "on":
		return fact.Yes
	case "off":
		return fact.No
	}
	return fact.Unknown
}

// settings reads each setting on its own: a token may be allowed some of them.
func (o *observer) settings(ctx context.Context, zone string) {
	f := fact.CDNSettings{Source: "api"}
	svc := zones.NewSettingService()
	params := zones.SettingGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	var wg sync.WaitGroup
	read := 0
	worst, worstErr := 0, error(nil)
	for _, r := range settingReaders {
		wg.Go(func() {
			res, status, err := call(o, func(opts ...option.RequestOption) (*zones.SettingGetResponse, error) {
				return svc.Get(ctx, r.name, params, opts...)
			})
			o.mu.Lock()
			defer o.mu.Unlock()
			if err != nil || status != http.StatusOK {
				f.Unread = append(f.Unread, r.name)
				worst, worstErr = status, err
				return
			}
			var body struct{ Value json.RawMessage }
			if json.Unmarshal([]byte(res.JSON.RawJSON()), &body) == nil {
				r.set(&f, value(body.Value))
				read++
			}
		})
	}
	for _, part := range []func(context.Context, string, *fact.CDNSettings){o.originRules, o.pulls, o.originCA, o.pages} {
		wg.Go(func() { part(ctx, zone, &f) })
	}
	wg.Wait()
	o.configRules(ctx, zone, &f)
	if read == 0 {
		o.failed(fact.QCDNSettings, "zone settings", worst, worstErr, settingsRead)
		return
	}
	slices.Sort(f.Unread) // answers come in any order
	f.Unread = slices.Compact(f.Unread)
	f.Ranges = o.ranges(ctx)
	o.add(f, originward.Subject{Host: o.Host}, settingsText(f), o.reproduce("zones/"+zone+"/settings/ssl"))
}

func settingsText(f fact.CDNSettings) string {
	var w []string
	if f.SSL != "" {
		mode := "SSL mode " + string(f.SSL)
		switch {
		case f.SSLBy != "":
			mode += ", for this request by configuration rule " + f.SSLBy
		case f.SSLAuto == fact.Yes:
			mode += ", chosen by the CDN itself"
		}
		w = append(w, mode)
	}
	if f.OriginPull == fact.Yes || f.ZonePull == fact.Yes || f.HostPull == fact.Yes {
		w = append(w, "authenticated origin pulls on")
	}
	if len(f.OriginCA) > 0 {
		w = append(w, fmt.Sprintf("%d certificates of its origin CA", len(f.OriginCA)))
	}
	if len(f.Pages) > 0 {
		w = append(w, "error pages of its own: "+strings.Join(f.Pages, " "))
	}
	if f.OriginPort != 0 {
		w = append(w, fmt.Sprintf("an origin rule sends this request to port %d", f.OriginPort))
	}
	if f.OriginName != "" {
		w = append(w, "an origin rule sends this request to "+f.OriginName)
	}
	if len(w) == 0 {
		return "the CDN's settings for the zone were read"
	}
	return escape.Line("the CDN's settings: "+strings.Join(w, ", "), 500)
}
