package contract

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/acm"
	"github.com/cloudflare/cloudflare-go/v7/origin_tls_client_auth"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"
	"github.com/cloudflare/cloudflare-go/v7/ssl"
)

// selfSigned is an authority's certificate with its key, as PEM.
func selfSigned(t *testing.T) (cert, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) string {
		var out bytes.Buffer
		_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: b})
		return out.String()
	}
	return text("CERTIFICATE", der), text("PRIVATE KEY", keyDER)
}

// Client certificates of single host names, a zone's trust store and the switch of
// certificates for visitors, through the SDK.
func TestOriginTLS(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	cert, private := selfSigned(t)
	opts := e.options(rootToken)

	certs := origin_tls_client_auth.NewHostnameCertificateService(opts...)
	c := must[*origin_tls_client_auth.HostnameCertificateNewResponse](t)(certs.New(ctx(t),
		with(origin_tls_client_auth.HostnameCertificateNewParams{}, "ZoneID", id, "Certificate", cert, "PrivateKey", private)))
	if c.ID == "" || c.Status != "active" || c.SerialNumber != "7" || c.UploadedOn.IsZero() {
		t.Errorf("certificate %s", c.JSON.RawJSON())
	}
	names := origin_tls_client_auth.NewHostnameService(opts...)
	put := must[*pagination.SinglePage[origin_tls_client_auth.HostnameUpdateResponse]](t)(names.Update(ctx(t), with(origin_tls_client_auth.HostnameUpdateParams{}, "ZoneID", id,
		"Config", []origin_tls_client_auth.HostnameUpdateParamsConfig{
			with(origin_tls_client_auth.HostnameUpdateParamsConfig{}, "CERTID", c.ID, "Enabled", true, "Hostname", "www.shop.example"),
		})))
	if len(put.Result) != 1 {
		t.Errorf("associations %+v", put.Result)
	}
	got := must[*origin_tls_client_auth.AuthenticatedOriginPull](t)(names.Get(ctx(t), "www.shop.example", with(origin_tls_client_auth.HostnameGetParams{}, "ZoneID", id)))
	if got.CERTID != c.ID || !got.Enabled || got.Status != "active" || got.Hostname != "www.shop.example" || got.ExpiresOn.IsZero() {
		t.Errorf("association %s", got.JSON.RawJSON())
	}

	store := acm.NewCustomTrustStoreService(opts...)
	x := must[*acm.CustomTrustStore](t)(store.New(ctx(t), with(acm.CustomTrustStoreNewParams{}, "ZoneID", id, "Certificate", cert)))
	if x.ID == "" || x.Status != "active" || x.ExpiresOn.IsZero() {
		t.Errorf("trust store %s", x.JSON.RawJSON())
	}
	all := must[*pagination.V4PagePaginationArray[acm.CustomTrustStore]](t)(store.List(ctx(t), with(acm.CustomTrustStoreListParams{}, "ZoneID", id)))
	if len(all.Result) != 1 || all.Result[0].ID != x.ID {
		t.Errorf("trust store %+v", all.Result)
	}
	must[*acm.CustomTrustStoreDeleteResponse](t)(store.Delete(ctx(t), x.ID, with(acm.CustomTrustStoreDeleteParams{}, "ZoneID", id)))

	universal := ssl.NewUniversalSettingService(opts...)
	if s := must[*ssl.UniversalSSLSettings](t)(universal.Get(ctx(t), with(ssl.UniversalSettingGetParams{}, "ZoneID", id))); s.Enabled {
		t.Errorf("universal SSL %s", s.JSON.RawJSON())
	}
}
