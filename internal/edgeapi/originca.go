package edgeapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/store"
)

// Kinds of objects of the origin CA.
const (
	kindOriginCA   = "origin_ca"          // the authority; name = ca
	kindOriginCert = "origin_certificate" // what it has signed
)

// originCertIn asks for a certificate.
type originCertIn struct {
	CSR       string   `json:"csr"` // PEM
	Hostnames []string `json:"hostnames"`
	Type      string   `json:"request_type"`                 // origin-rsa, origin-ecc
	Days      int      `json:"requested_validity,omitempty"` // 0 = 5475
}

// originCertBody is a certificate that was signed.
type originCertBody struct {
	Certificate string    `json:"certificate"`
	CSR         string    `json:"csr"`
	Hostnames   []string  `json:"hostnames"`
	Type        string    `json:"request_type"`
	Days        int       `json:"requested_validity"`
	ExpiresOn   time.Time `json:"expires_on"`
}

type originCertOut struct {
	ID string `json:"id"`
	originCertBody
}

// validities are the days that can be asked for, as in Cloudflare's API.
var validities = []int{7, 30, 90, 365, 730, 1095, 5475}

// caLife is that of the authority: longer than what it signs.
const caLife = 30 * 365 * 24 * time.Hour

// maxHostnames bounds the names of a certificate (Cloudflare: 200).
const maxHostnames = 200

// loadAuthorities reads the origin CA, so that the strict modes trust it.
func (l *Live) loadAuthorities(t *store.Tx) error {
	all, err := t.Objects(kindOriginCA, "")
	if err != nil {
		return err
	}
	next := map[string]*x509.Certificate{}
	for _, o := range all {
		var b certBody
		if err := json.Unmarshal(o.Body, &b); err != nil {
			return err
		}
		c := l.authorities[b.Certificate]
		if c == nil {
			block, _ := pem.Decode([]byte(b.Certificate))
			if block == nil {
				return errors.New("the stored origin CA is no PEM")
			}
			if c, err = x509.ParseCertificate(block.Bytes); err != nil {
				return err
			}
		}
		next[b.Certificate] = c
	}
	l.authorities = next
	return nil
}

// check reads a request; the zones of its names are the answer.
func (in *originCertIn) check(a *API, c *call) (*x509.CertificateRequest, []string, error) {
	block, _ := pem.Decode([]byte(in.CSR))
	if block == nil {
		return nil, nil, invalid(codeField, "/csr", "csr must be PEM: -----BEGIN CERTIFICATE REQUEST-----")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil {
		return nil, nil, invalid(codeField, "/csr", "the certificate request cannot be read, or its signature is wrong")
	}
	switch k := csr.PublicKey.(type) {
	case *rsa.PublicKey:
		if in.Type != "origin-rsa" || k.N.BitLen() < 2048 {
			return nil, nil, invalid(codeField, "/request_type", "the request has an RSA key: request_type must be origin-rsa, the key at least 2048 bits")
		}
	case *ecdsa.PublicKey:
		if in.Type != "origin-ecc" {
			return nil, nil, invalid(codeField, "/request_type", "the request has an ECDSA key: request_type must be origin-ecc")
		}
	default:
		return nil, nil, invalid(codeField, "/csr", "the request's key is neither RSA nor ECDSA")
	}
	if in.Days == 0 {
		in.Days = validities[len(validities)-1]
	}
	if !slices.Contains(validities, in.Days) {
		return nil, nil, invalid(codeField, "/requested_validity", fmt.Sprintf("requested_validity must be one of %v days", validities))
	}
	if len(in.Hostnames) == 0 || len(in.Hostnames) > maxHostnames {
		return nil, nil, invalid(codeField, "/hostnames", fmt.Sprintf("a certificate needs 1 to %d hostnames", maxHostnames))
	}
	var zones []string
	for i, h := range in.Hostnames {
		id, name := a.zoneHolding(strings.ToLower(h))
		whole, p := dnsrec.Name(name, strings.ToLower(h)+".")
		if id == "" || p != nil || !c.who.may(sslWrite, id) {
			return nil, nil, invalid(codeField, fmt.Sprintf("/hostnames/%d", i), "the name is in no zone that this token may issue certificates for")
		}
		in.Hostnames[i] = whole
		if !slices.Contains(zones, id) {
			zones = append(zones, id)
		}
	}
	return csr, zones, nil
}

// zoneHolding is the zone with the longest name that holds a host name.
func (a *API) zoneHolding(host string) (id, name string) {
	for _, z := range a.edge.Config().Zones {
		if (host == z.Name || strings.HasSuffix(host, "."+z.Name)) && len(z.Name) > len(name) {
			id, name = idOf(&z), z.Name
		}
	}
	return id, name
}

// authority gives the origin CA, and makes it when there is none.
func (a *API) authority(t *store.Tx) (tls.Certificate, error) {
	o, err := t.ObjectByName(kindOriginCA, "", "ca")
	if errors.Is(err, store.ErrNotFound) {
		if o, err = a.newAuthority(); err == nil {
			err = t.AddObject(&o, map[string]string{"name": "origin CA"})
		}
	}
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := keyPair(o.Body)
	if err != nil {
		return tls.Certificate{}, err
	}
	return *pair, nil
}

func (a *API) newAuthority() (store.Object, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return store.Object{}, err
	}
	serial, err := serialNumber()
	if err != nil {
		return store.Object{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Originward origin CA"}, NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return store.Object{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return store.Object{}, err
	}
	body, err := json.Marshal(certBody{pemText("CERTIFICATE", der), pemText("PRIVATE KEY", private)})
	return store.Object{Kind: kindOriginCA, Name: "ca", Body: body}, err
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *API) createOriginCert(c *call) (*reply, error) {
	var in originCertIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	csr, zones, err := in.check(a, c)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Originward origin certificate"}, DNSNames: in.Hostnames,
		NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(time.Duration(in.Days) * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	o := store.Object{Kind: kindOriginCert, Zone: zones[0]}
	err = a.change(c, func(t *store.Tx) error {
		ca, err := a.authority(t)
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca.Leaf, csr.PublicKey, ca.PrivateKey)
		if err != nil {
			return err
		}
		o.Body, err = json.Marshal(originCertBody{pemText("CERTIFICATE", der), in.CSR, in.Hostnames, in.Type, in.Days, leaf.NotAfter.UTC()})
		if err != nil {
			return err
		}
		return t.AddObject(&o, nil)
	})
	if err != nil {
		return nil, err
	}
	return originCertReply(o)
}

func originCertReply(o store.Object) (*reply, error) {
	out := originCertOut{ID: o.ID}
	err := json.Unmarshal(o.Body, &out.originCertBody)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

func (a *API) originCerts(c *call) (*reply, error) {
	zone := c.URL.Query().Get("zone_id")
	if zone == "" {
		return nil, &failure{http.StatusBadRequest, codeBadRequest, "give the zone: ?zone_id=ID"}
	}
	out := []originCertOut{}
	if a.live == nil || !c.who.may(sslRead, zone) {
		return page(c.Request, out)
	}
	err := a.view(c, func(t *store.Tx) error {
		all, err := t.Objects(kindOriginCert, zone)
		for _, o := range all {
			x := originCertOut{ID: o.ID}
			if err := json.Unmarshal(o.Body, &x.originCertBody); err != nil {
				return err
			}
			out = append(out, x)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return page(c.Request, out)
}

// findOriginCert finds a certificate by its id alone: its path names no zone.
func (a *API) findOriginCert(t *store.Tx, c *call, n need) (store.Object, error) {
	for _, z := range a.edge.Config().Zones {
		o, err := t.Object(kindOriginCert, idOf(&z), c.PathValue("cert"))
		if err == nil && c.who.may(n, o.Zone) {
			return o, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return o, err
		}
	}
	return store.Object{}, store.ErrNotFound
}

func (a *API) originCert(c *call) (*reply, error) {
	if a.live == nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) { o, err = a.findOriginCert(t, c, sslRead); return err }); err != nil {
		return nil, err
	}
	return originCertReply(o)
}

// deleteOriginCert revokes a certificate.
func (a *API) deleteOriginCert(c *call) (*reply, error) {
	err := a.change(c, func(t *store.Tx) error {
		o, err := a.findOriginCert(t, c, sslWrite)
		if err != nil {
			return err
		}
		return a.revoke(t, o)
	})
	return &reply{result: map[string]any{"id": c.PathValue("cert"), "revoked_at": a.now().UTC().Truncate(time.Second)}}, err
}
