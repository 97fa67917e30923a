package remedy

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/origin_ca_certificates"
	"github.com/cloudflare/cloudflare-go/v7/shared"
	"github.com/cloudflare/cloudflare-go/v7/ssl"
)

// OriginCert has the CDN's origin CA sign a certificate for a key made here,
// and puts both into force. The key leaves this machine never.
type OriginCert struct {
	API   `json:"api"`
	Names []string `json:"names"`
	Key   []byte   `json:"key"`                // PEM
	Cert  string   `json:"cert"`               // where the certificate is written
	KeyAt string   `json:"key_file,omitempty"` // where the key is written; empty = behind the certificate
	Put   Config   `json:"put"`                // what else is changed, and who reads it
}

// originCertDays is how long it is valid: fifteen years, as the origin CA offers
// first. Nothing here would renew it.
const originCertDays = ssl.RequestValidity5475

// newOriginCert makes the key. ECDSA with P-256 is what every server reads.
func newOriginCert(api API, names []string) (*OriginCert, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &OriginCert{API: api, Names: names, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, nil
}

func (o *OriginCert) signer() (crypto.Signer, error) {
	block, _ := pem.Decode(o.Key)
	if block == nil {
		return nil, fmt.Errorf("the key of this step is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T signs nothing", key)
	}
	return s, nil
}

// ours reports whether a text begins with a certificate for the key.
func (o *OriginCert) ours(text []byte) bool {
	key, err := o.signer()
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	want, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && want.Equal(cert.PublicKey)
}

// with is everything that is written once the certificate is there.
func (o *OriginCert) with(cert []byte) *Config {
	c := o.Put
	text := append(bytes.TrimRight(bytes.Clone(cert), "\n"), '\n')
	if o.KeyAt == "" {
		c.Edits = append([]Edit{{Path: o.Cert, Content: append(text, o.Key...), Mode: 0o600, Secret: true}}, o.Put.Edits...)
		return &c
	}
	c.Edits = append([]Edit{{Path: o.Cert, Content: text, Mode: 0o644}, {Path: o.KeyAt, Content: o.Key, Mode: 0o600, Secret: true}}, o.Put.Edits...)
	return &c
}

// Plan shows what is asked of the CDN, which files are written, and how they
// come into force.
func (o *OriginCert) Plan(ctx context.Context, m *Machine) (Change, error) {
	was, err := o.with(nil).look()
	if err != nil {
		return Change{}, err
	}
	show := []string{"at the CDN: issue a certificate of its origin CA for " + strings.Join(o.Names, ", ") + ", for 15 years"}
	if o.KeyAt == "" {
		show = append(show, "write "+o.Cert+" (the certificate and its new private key, which stays on this host, mode 0600)")
	} else {
		show = append(show, "write "+o.KeyAt+" (the new private key, which stays on this host, mode 0600)", "write "+o.Cert+" (the certificate)")
	}
	put, err := o.Put.Plan(ctx, m)
	if err != nil {
		return Change{}, err
	}
	return Change{Show: append(show, put.Show...), Before: encode(was), None: put.None && o.ours(was.Files[0].Content)}, nil
}

// issued are the zone's certificates for this key, by ID.
func (o *OriginCert) issued(ctx context.Context) (map[string][]byte, error) {
	opts, err := o.options()
	if err != nil {
		return nil, err
	}
	params := origin_ca_certificates.OriginCACertificateListParams{}
	params.ZoneID.Value, params.ZoneID.Present = o.Zone, true
	page, err := origin_ca_certificates.NewOriginCACertificateService(opts...).List(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("read the origin CA's certificates: %w", apiSaid(err))
	}
	out := map[string][]byte{}
	for _, c := range page.Result {
		if o.ours([]byte(c.Certificate)) {
			out[c.ID] = []byte(c.Certificate)
		}
	}
	return out, nil
}

// issue asks the origin CA for the certificate.
func (o *OriginCert) issue(ctx context.Context) ([]byte, error) {
	opts, err := o.options()
	if err != nil {
		return nil, err
	}
	key, err := o.signer()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: o.Names[0]}, DNSNames: o.Names}, key)
	if err != nil {
		return nil, err
	}
	params := origin_ca_certificates.OriginCACertificateNewParams{}
	params.Csr.Value, params.Csr.Present = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), true
	params.Hostnames.Value, params.Hostnames.Present = o.Names, true
	params.RequestType.Value, params.RequestType.Present = shared.CertificateRequestTypeOriginECC, true
	params.RequestedValidity.Value, params.RequestedValidity.Present = originCertDays, true
	res, err := origin_ca_certificates.NewOriginCACertificateService(opts...).New(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("have the origin CA issue a certificate (the token needs SSL and Certificates: Edit): %w", apiSaid(err))
	}
	if !o.ours([]byte(res.Certificate)) {
		return nil, fmt.Errorf("the origin CA answered with a certificate of another key")
	}
	return []byte(res.Certificate), nil
}

// Apply has the certificate issued, writes it and puts it into force.
func (o *OriginCert) Apply(ctx context.Context, m *Machine) error {
	cert, err := o.issue(ctx)
	if err != nil {
		return err
	}
	return o.with(cert).Apply(ctx, m)
}

// Undo brings files and server back, and has the certificate revoked.
func (o *OriginCert) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was configState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	c := o.with(nil)
	if len(was.Files) != len(c.Edits) {
		return fmt.Errorf("the journal holds %d files, the step writes %d", len(was.Files), len(c.Edits))
	}
	now, err := readFile(o.Cert)
	if err != nil {
		return err
	}
	if now.There && o.ours(now.Content) { // its bytes were not known when the journal was written
		was.Written[0].Content = now.Content
	}
	if err := c.Undo(ctx, m, encode(was)); err != nil {
		return err
	}
	issued, err := o.issued(ctx)
	if err != nil {
		return err
	}
	opts, err := o.options()
	if err != nil {
		return err
	}
	for id := range issued {
		if _, err := origin_ca_certificates.NewOriginCACertificateService(opts...).Delete(ctx, id); err != nil {
			return fmt.Errorf("revoke the certificate %s: %w", id, apiSaid(err))
		}
	}
	return nil
}
