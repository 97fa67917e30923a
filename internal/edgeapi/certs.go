package edgeapi

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/originward/originward/internal/store"
)

// certIn is a certificate as a client uploads it.
type certIn struct {
	Certificate  string `json:"certificate"` // PEM, with its chain
	PrivateKey   string `json:"private_key"` // PEM
	BundleMethod string `json:"bundle_method,omitempty"`
	Type         string `json:"type,omitempty"`
}

// certBody is a certificate in the store.
type certBody struct {
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"private_key"`
}

// certOut is a certificate as it is shown: without its key.
type certOut struct {
	ID           string    `json:"id"`
	ZoneID       string    `json:"zone_id,omitempty"`
	Certificate  string    `json:"certificate,omitempty"`
	Status       string    `json:"status"`
	Hosts        []string  `json:"hosts,omitempty"`
	Issuer       string    `json:"issuer"`
	SerialNumber string    `json:"serial_number"`
	Signature    string    `json:"signature"`
	BundleMethod string    `json:"bundle_method,omitempty"`
	Priority     int       `json:"priority"`
	Enabled      *bool     `json:"enabled,omitempty"`
	ExpiresOn    time.Time `json:"expires_on"`
	UploadedOn   time.Time `json:"uploaded_on"`
	ModifiedOn   time.Time `json:"modified_on"`
}

// check reads a certificate with its key. The key is never repeated in an answer.
func (in certIn) check(now time.Time) (*x509.Certificate, certBody, error) {
	var body certBody
	if b, _ := pem.Decode([]byte(in.Certificate)); b == nil || b.Type != "CERTIFICATE" {
		return nil, body, invalid(1400, "/certificate", "certificate must be PEM: -----BEGIN CERTIFICATE-----")
	}
	if b, _ := pem.Decode([]byte(in.PrivateKey)); b == nil {
		return nil, body, invalid(1401, "/private_key", "private_key must be PEM")
	}
	pair, err := tls.X509KeyPair([]byte(in.Certificate), []byte(in.PrivateKey))
	if err != nil {
		return nil, body, invalid(1402, "/private_key", "certificate and private key do not belong together, or cannot be read")
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, body, invalid(1400, "/certificate", "the certificate cannot be read")
		}
	}
	if now.After(leaf.NotAfter) {
		return nil, body, invalid(1403, "/certificate", "the certificate expired on "+leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return leaf, certBody{in.Certificate, in.PrivateKey}, nil
}

func showCert(o store.Object) (certOut, error) {
	var b certBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return certOut{}, err
	}
	block, _ := pem.Decode([]byte(b.Certificate))
	if block == nil {
		return certOut{}, errors.New("a stored certificate is no PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return certOut{}, err
	}
	return certOut{
		ID: o.ID, ZoneID: o.Zone, Status: "active", Hosts: leaf.DNSNames, Issuer: leaf.Issuer.CommonName, SerialNumber: leaf.SerialNumber.String(), Signature: leaf.SignatureAlgorithm.String(),
		Certificate: b.Certificate, ExpiresOn: leaf.NotAfter, UploadedOn: o.Created, ModifiedOn: o.Modified,
	}, nil
}

// keepCert adds a certificate to the zone, or replaces one when id is given.
func (a *API) keepCert(c *call, kind, id string, needHost bool) (*reply, error) {
	var in certIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	leaf, body, err := in.check(a.now())
	if err != nil {
		return nil, err
	}
	if needHost && leaf.VerifyHostname(c.zone.name) != nil && leaf.VerifyHostname("www."+c.zone.name) != nil {
		return nil, invalid(1404, "/certificate", fmt.Sprintf("the certificate names neither %s nor names below it", c.zone.name))
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: kind, Zone: c.zone.id, Body: raw}
	err = a.change(c, func(t *store.Tx) error {
		var before any
		if id != "" {
			old, err := t.Object(kind, c.zone.id, id)
			if err != nil {
				return err
			}
			shown, err := showCert(old)
			if err != nil {
				return err
			}
			o, before = old, shown
			o.Body = raw
		}
		shown, err := showCert(o)
		if err != nil {
			return err
		}
		if id == "" {
			return t.AddObject(&o, shown)
		}
		return t.PutObject(&o, before, shown)
	})
	if err != nil {
		return nil, err
	}
	out, err := showCert(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

// shown are all objects of a kind and scope, each as the API shows it.
func shown[T any](a *API, c *call, kind, scope string, show func(store.Object) (T, error)) ([]T, error) {
	return shownIn(a, c, kind, scope, func(_ *store.Tx, o store.Object) (T, error) { return show(o) })
}

// shownIn is shown for objects that are shown with what else the store holds.
func shownIn[T any](a *API, c *call, kind, scope string, show func(*store.Tx, store.Object) (T, error)) ([]T, error) {
	out := []T{}
	err := a.view(c, func(t *store.Tx) error {
		all, err := t.Objects(kind, scope)
		for _, o := range all {
			x, err := show(t, o)
			if err != nil {
				return err
			}
			out = append(out, x)
		}
		return err
	})
	return out, err
}

func (a *API) listCerts(c *call, kind string) (*reply, error) {
	out := []certOut{}
	if c.zone.file == nil {
		var err error
		if out, err = shown(a, c, kind, c.zone.id, showCert); err != nil {
			return nil, err
		}
	}
	return page(c.Request, out)
}

func (a *API) oneCert(c *call, kind string) (*reply, error) {
	if c.zone.file != nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) { o, err = t.Object(kind, c.zone.id, c.PathValue("cert")); return err }); err != nil {
		return nil, err
	}
	out, err := showCert(o)
	return &reply{result: out, tag: versionTag(o.Version)}, err
}

func (a *API) dropCert(c *call, kind string) (*reply, error) {
	id := c.PathValue("cert")
	err := a.change(c, func(t *store.Tx) error {
		o, err := t.Object(kind, c.zone.id, id)
		if err != nil {
			return err
		}
		shown, err := showCert(o)
		if err != nil {
			return err
		}
		return t.DeleteObject(kind, c.zone.id, id, 0, shown)
	})
	return &reply{result: map[string]string{"id": id}}, err
}

func (a *API) customCerts(c *call) (*reply, error)   { return a.listCerts(c, kindCert) }
func (a *API) addCustomCert(c *call) (*reply, error) { return a.keepCert(c, kindCert, "", true) }
func (a *API) customCert(c *call) (*reply, error)    { return a.oneCert(c, kindCert) }
func (a *API) replaceCustomCert(c *call) (*reply, error) {
	return a.keepCert(c, kindCert, c.PathValue("cert"), true)
}
func (a *API) deleteCustomCert(c *call) (*reply, error) { return a.dropCert(c, kindCert) }
func (a *API) pullCerts(c *call) (*reply, error)        { return a.listCerts(c, kindPullCert) }
func (a *API) addPullCert(c *call) (*reply, error)      { return a.keepCert(c, kindPullCert, "", false) }
func (a *API) pullCert(c *call) (*reply, error)         { return a.oneCert(c, kindPullCert) }
func (a *API) deletePullCert(c *call) (*reply, error)   { return a.dropCert(c, kindPullCert) }

// pullSettingsIn turns authenticated origin pulls on or off.
type pullSettingsIn struct {
	Enabled *bool `json:"enabled"`
}

func (a *API) pullSettings(c *call) (*reply, error) {
	z, err := a.findZone(c.Request)
	if err != nil {
		return nil, err
	}
	return &reply{result: map[string]bool{"enabled": z.ClientCert != nil}}, nil
}

func (a *API) changePullSettings(c *call) (*reply, error) {
	var in pullSettingsIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.Enabled == nil {
		return nil, invalid(codeField, "/enabled", "enabled must be true or false")
	}
	_, err := a.updateZone(c, nil, func(z *store.Zone) error {
		z.Settings[settingPull], _ = json.Marshal(onOff(*in.Enabled)) // a text always can be
		return nil
	})
	return &reply{result: map[string]bool{"enabled": *in.Enabled}}, err
}
