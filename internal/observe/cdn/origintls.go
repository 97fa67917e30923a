package cdn

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"

	"github.com/cloudflare/cloudflare-go/v7/custom_pages"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/origin_ca_certificates"
	"github.com/cloudflare/cloudflare-go/v7/origin_tls_client_auth"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
)

// maxCerts bounds how many certificates of the origin CA are kept.
const maxCerts = 50

// pulls reads authenticated origin pulls with a certificate of the zone or of the
// host; the switch for all zones is among the settings.
func (o *observer) pulls(ctx context.Context, zone string, f *fact.CDNSettings) {
	params := origin_tls_client_auth.SettingGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	res, status, err := call(o, func(opts ...option.RequestOption) (*origin_tls_client_auth.SettingGetResponse, error) {
		return origin_tls_client_auth.NewSettingService().Get(ctx, params, opts...)
	})
	if o.unread(f, "origin_tls_client_auth", status, err) {
		return
	}
	f.ZonePull = fact.TriOf(res.Enabled)
	host := origin_tls_client_auth.HostnameGetParams{}
	host.ZoneID.Value, host.ZoneID.Present = zone, true
	of, status, err := call(o, func(opts ...option.RequestOption) (*origin_tls_client_auth.AuthenticatedOriginPull, error) {
		return origin_tls_client_auth.NewHostnameService().Get(ctx, o.Host, host, opts...)
	})
	switch {
	case status == http.StatusNotFound || status == http.StatusBadRequest: // the host has none of its own
		f.HostPull = fact.No
	case err == nil && status == http.StatusOK:
		f.HostPull = fact.TriOf(of.Enabled)
	}
}

// originCA reads the certificates that the CDN's origin CA has signed for the zone.
func (o *observer) originCA(ctx context.Context, zone string, f *fact.CDNSettings) {
	params := origin_ca_certificates.OriginCACertificateListParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.V4PagePaginationArray[origin_ca_certificates.OriginCACertificate], error) {
		return origin_ca_certificates.NewOriginCACertificateService().List(ctx, params, opts...)
	})
	if o.unread(f, "origin_ca", status, err) {
		return
	}
	for _, c := range page.Result {
		block, _ := pem.Decode([]byte(c.Certificate))
		if block == nil || len(f.OriginCA) == maxCerts {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			f.OriginCA = append(f.OriginCA, exchange.CertOf(cert))
		}
	}
}

// pages reads which error pages are replaced by the zone's own: a page without the
// CDN's marks may then still be the CDN's.
func (o *observer) pages(ctx context.Context, zone string, f *fact.CDNSettings) {
	params := custom_pages.CustomPageListParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.SinglePage[custom_pages.CustomPageListResponse], error) {
		return custom_pages.NewCustomPageService().List(ctx, params, opts...)
	})
	if o.unread(f, "custom_pages", status, err) {
		return
	}
	for _, p := range page.Result {
		if p.State == "customized" && len(f.Pages) < maxRecords {
			f.Pages = append(f.Pages, escape.Line(p.ID, 40))
		}
	}
}

// unread notes a part of the configuration that could not be read. What an edge of
// our own does not have is nothing that is missing.
func (o *observer) unread(f *fact.CDNSettings, name string, status int, err error) bool {
	if err == nil && status == http.StatusOK {
		return false
	}
	if o.provider != ownEdge || status != http.StatusNotImplemented && status != http.StatusNotFound {
		o.note(f, name)
	}
	return true
}

// note names a part of the configuration that is not known; the parts are read at once.
func (o *observer) note(f *fact.CDNSettings, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.Unread = append(f.Unread, name)
}
