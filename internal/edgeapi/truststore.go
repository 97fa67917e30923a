package edgeapi

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/store"
)

// kindTrust is a certificate of a zone's custom origin trust store.
const kindTrust = "origin_trust"

// trustIn is a certificate for the custom origin trust store.
type trustIn struct {
	Certificate string `json:"certificate"` // PEM
}

// trustOut is one as it is shown.
type trustOut struct {
	ID          string    `json:"id"`
	Certificate string    `json:"certificate"`
	Issuer      string    `json:"issuer"`
	Signature   string    `json:"signature"`
	Status      string    `json:"status"`
	ExpiresOn   time.Time `json:"expires_on"`
	UploadedOn  time.Time `json:"uploaded_on"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func trusted(o store.Object) (*x509.Certificate, trustIn, error) {
	var in trustIn
	if err := json.Unmarshal(o.Body, &in); err != nil {
		return nil, in, err
	}
	c, err := in.parse()
	return c, in, err
}

func (in trustIn) parse() (*x509.Certificate, error) {
	b, rest := pem.Decode([]byte(in.Certificate))
	if b == nil || b.Type != "CERTIFICATE" {
		return nil, invalid(1400, "/certificate", "certificate must be PEM: -----BEGIN CERTIFICATE-----")
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, invalid(1400, "/certificate", "one certificate at a time")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, invalid(1400, "/certificate", "the certificate cannot be read")
	}
	return c, nil
}

func showTrust(o store.Object) (trustOut, error) {
	c, in, err := trusted(o)
	if err != nil {
		return trustOut{}, err
	}
	return trustOut{ID: o.ID, Certificate: in.Certificate, Issuer: c.Issuer.String(), Signature: c.SignatureAlgorithm.String(),
		Status: "active", ExpiresOn: c.NotAfter, UploadedOn: o.Created, UpdatedAt: o.Modified}, nil
}

// loadTrust puts the zone's trust store into its configuration.
func loadTrust(z *config.Zone, o store.Object) error {
	c, _, err := trusted(o)
	if err == nil {
		z.Trust = append(z.Trust, c)
	}
	return err
}

func (a *API) addTrust(c *call) (*reply, error) {
	var in trustIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	cert, err := in.parse()
	if err != nil {
		return nil, err
	}
	if a.now().After(cert.NotAfter) {
		return nil, invalid(1403, "/certificate", "the certificate expired on "+cert.NotAfter.UTC().Format(time.DateOnly))
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: kindTrust, Zone: c.zone.id, Body: raw}
	if err := a.change(c, func(t *store.Tx) error { return t.AddObject(&o, nil) }); err != nil {
		return nil, err
	}
	out, err := showTrust(o)
	return &reply{result: out}, err
}

func (a *API) trustStore(c *call) (*reply, error) {
	if c.zone.file != nil {
		return page(c.Request, []trustOut{})
	}
	out, err := shown(a, c, kindTrust, c.zone.id, showTrust)
	if err != nil {
		return nil, err
	}
	return page(c.Request, out)
}

func (a *API) oneTrust(c *call) (*reply, error) {
	if c.zone.file != nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) {
		o, err = t.Object(kindTrust, c.zone.id, c.PathValue("cert"))
		return err
	}); err != nil {
		return nil, err
	}
	out, err := showTrust(o)
	return &reply{result: out}, err
}

func (a *API) deleteTrust(c *call) (*reply, error) {
	id := c.PathValue("cert")
	err := a.change(c, func(t *store.Tx) error { return t.DeleteObject(kindTrust, c.zone.id, id, 0, nil) })
	return &reply{result: map[string]string{"id": id}}, err
}
