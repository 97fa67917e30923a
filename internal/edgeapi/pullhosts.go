package edgeapi

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/store"
)

// Kinds of objects of authenticated origin pulls for single host names.
const (
	kindHostCert = "pull_host_certificate"
	kindHostPull = "pull_host" // name = host name
)

// hostPullBody says which certificate a host name's origin is shown.
type hostPullBody struct {
	CertID  string `json:"cert_id"`
	Enabled *bool  `json:"enabled"` // null = the association ends
}

// hostPullIn is a list of them.
type hostPullsIn struct {
	Config []hostPullIn `json:"config"`
}

type hostPullIn struct {
	Hostname string `json:"hostname"`
	hostPullBody
}

// hostPullOut is an association as it is shown, with its certificate.
type hostPullOut struct {
	Hostname   string    `json:"hostname"`
	CertID     string    `json:"cert_id"`
	Enabled    bool      `json:"enabled"`
	Status     string    `json:"status"`
	CertStatus string    `json:"cert_status"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	// Of the certificate.
	Certificate    string    `json:"certificate"`
	Issuer         string    `json:"issuer"`
	Signature      string    `json:"signature"`
	SerialNumber   string    `json:"serial_number"`
	ExpiresOn      time.Time `json:"expires_on"`
	CertUploadedOn time.Time `json:"cert_uploaded_on"`
	CertUpdatedAt  time.Time `json:"cert_updated_at"`
}

func (a *API) hostCerts(c *call) (*reply, error)   { return a.listCerts(c, kindHostCert) }
func (a *API) addHostCert(c *call) (*reply, error) { return a.keepCert(c, kindHostCert, "", false) }
func (a *API) hostCert(c *call) (*reply, error)    { return a.oneCert(c, kindHostCert) }

// deleteHostCert deletes a certificate that no host name uses.
func (a *API) deleteHostCert(c *call) (*reply, error) {
	id := c.PathValue("cert")
	if err := a.view(c, func(t *store.Tx) error {
		all, err := t.Objects(kindHostPull, c.zone.id)
		for _, o := range all {
			var b hostPullBody
			if err := json.Unmarshal(o.Body, &b); err != nil {
				return err
			}
			if b.CertID == id {
				return &failure{http.StatusConflict, codeField, "the host name " + o.Name + " uses this certificate: end that first"}
			}
		}
		return err
	}); err != nil {
		return nil, err
	}
	return a.dropCert(c, kindHostCert)
}

// changeHostPulls sets certificates for host names, all or none.
func (a *API) changeHostPulls(c *call) (*reply, error) {
	var in hostPullsIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.Config) == 0 {
		return nil, invalid(codeField, "/config", "config must name host names")
	}
	for i := range in.Config {
		x := &in.Config[i]
		x.Hostname = strings.TrimSuffix(strings.ToLower(x.Hostname), ".")
		if x.Hostname != c.zone.name && !strings.HasSuffix(x.Hostname, "."+c.zone.name) {
			return nil, invalid(codeField, fmt.Sprintf("/config/%d/hostname", i), "hostname must be a name of the zone "+c.zone.name)
		}
	}
	out := []hostPullOut{}
	err := a.change(c, func(t *store.Tx) error {
		for i, x := range in.Config {
			shown, err := putHostPull(t, c.zone.id, x)
			if errors.Is(err, store.ErrNotFound) {
				return invalid(codeField, fmt.Sprintf("/config/%d/cert_id", i), "no certificate for host names has this id")
			}
			if err != nil {
				return err
			}
			out = append(out, shown)
		}
		return a.checkZone(t, c.zone.id, func(string) string { return "/config" })
	})
	return &reply{result: out}, err
}

func putHostPull(t *store.Tx, zone string, x hostPullIn) (hostPullOut, error) {
	old, err := t.ObjectByName(kindHostPull, zone, x.Hostname)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return hostPullOut{}, err
	}
	known := err == nil
	if x.Enabled == nil {
		if !known {
			return hostPullOut{Hostname: x.Hostname, Status: "deleted"}, nil
		}
		return hostPullOut{Hostname: x.Hostname, CertID: x.CertID, Status: "deleted"}, t.DeleteObject(kindHostPull, zone, old.ID, 0, nil)
	}
	if _, err := t.Object(kindHostCert, zone, x.CertID); err != nil {
		return hostPullOut{}, err
	}
	raw, err := json.Marshal(x.hostPullBody)
	if err != nil {
		return hostPullOut{}, err
	}
	o := store.Object{Kind: kindHostPull, Zone: zone, Name: x.Hostname}
	if known {
		o = old
	}
	o.Body = raw
	if known {
		err = t.PutObject(&o, nil, nil)
	} else {
		err = t.AddObject(&o, nil)
	}
	if err != nil {
		return hostPullOut{}, err
	}
	return showHostPull(t, o)
}

func showHostPull(t *store.Tx, o store.Object) (hostPullOut, error) {
	var b hostPullBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return hostPullOut{}, err
	}
	cert, err := t.Object(kindHostCert, o.Zone, b.CertID)
	if err != nil {
		return hostPullOut{}, err
	}
	shown, err := showCert(cert)
	if err != nil {
		return hostPullOut{}, err
	}
	return hostPullOut{
		Hostname: o.Name, CertID: b.CertID, Enabled: b.Enabled != nil && *b.Enabled, Status: "active", CertStatus: "active",
		CreatedAt: o.Created, UpdatedAt: o.Modified, Certificate: shown.Certificate, Issuer: shown.Issuer, Signature: shown.Signature,
		SerialNumber: shown.SerialNumber, ExpiresOn: shown.ExpiresOn, CertUploadedOn: shown.UploadedOn, CertUpdatedAt: shown.ModifiedOn,
	}, nil
}

func (a *API) hostPull(c *call) (*reply, error) {
	if c.zone.file != nil {
		return nil, store.ErrNotFound
	}
	var out hostPullOut
	err := a.view(c, func(t *store.Tx) error {
		o, err := t.ObjectByName(kindHostPull, c.zone.id, strings.ToLower(c.PathValue("hostname")))
		if err != nil {
			return err
		}
		out, err = showHostPull(t, o)
		return err
	})
	return &reply{result: out}, err
}

func (a *API) hostPulls(c *call) (*reply, error) {
	if c.zone.file != nil {
		return page(c.Request, []hostPullOut{})
	}
	out, err := shownIn(a, c, kindHostPull, c.zone.id, showHostPull)
	if err != nil {
		return nil, err
	}
	return page(c.Request, out)
}

// loadHostPull puts a host name's certificate into the zone's configuration.
func loadHostPull(z *config.Zone, o store.Object, objects []store.Object) error {
	var b hostPullBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return err
	}
	if b.Enabled == nil || !*b.Enabled {
		return nil
	}
	for _, x := range objects {
		if x.Kind != kindHostCert || x.ID != b.CertID {
			continue
		}
		pair, err := keyPair(x.Body)
		if err != nil {
			return err
		}
		if z.HostCerts == nil {
			z.HostCerts = map[string]*tls.Certificate{}
		}
		z.HostCerts[o.Name] = pair
	}
	return nil
}
