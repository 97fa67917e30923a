package edgeapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edgedns"
	"github.com/originward/originward/internal/store"
)

// kindDNSSEC is a zone's signing key; there is one, named key.
const kindDNSSEC = "dnssec"

// dnssecBody is a key in the store.
type dnssecBody struct {
	PrivateKey string `json:"private_key"` // PEM, PKCS #8
}

func (b dnssecBody) key() (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(b.PrivateKey))
	if block == nil {
		return nil, errors.New("a stored DNSSEC key is no PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("a stored DNSSEC key is none of P-256")
	}
	return ec, nil
}

func dnsKey(o store.Object) (*config.DNSKey, error) {
	var b dnssecBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return nil, err
	}
	k, err := b.key()
	return &config.DNSKey{Private: k, Created: o.Created}, err
}

type dnssecOut struct {
	Status          string     `json:"status"` // active, disabled
	Flags           *int       `json:"flags"`
	Algorithm       *string    `json:"algorithm"`
	KeyType         *string    `json:"key_type"`
	DigestType      *string    `json:"digest_type"`
	DigestAlgorithm *string    `json:"digest_algorithm"`
	Digest          *string    `json:"digest"`
	DS              *string    `json:"ds"`
	KeyTag          *int       `json:"key_tag"`
	PublicKey       *string    `json:"public_key"`
	ModifiedOn      *time.Time `json:"modified_on"`
}

// showDNSSEC says what the zone's parent needs to know.
func showDNSSEC(zone string, o store.Object) (dnssecOut, error) {
	k, err := dnsKey(o)
	if err != nil {
		return dnssecOut{}, err
	}
	return signedBy(zone, k, &o.Modified), nil
}

func signedBy(zone string, k *config.DNSKey, modified *time.Time) dnssecOut {
	key := edgedns.NewKey(zone, &k.Private.PublicKey)
	ds := key.ToDS(dns.SHA256)
	text := strings.ReplaceAll(ds.String(), "\t", " ")
	flags, tag := int(key.Flags), int(key.KeyTag())
	return dnssecOut{
		"active", &flags, new("13"), new("ECDSAP256SHA256"), new("2"), new("SHA256"), &ds.Digest, &text, &tag, &key.PublicKey, modified,
	}
}

func (a *API) dnssec(c *call) (*reply, error) {
	out := dnssecOut{Status: "disabled"}
	if f := c.zone.file; f != nil {
		if f.DNSSEC != nil {
			out = signedBy(f.Name, f.DNSSEC, nil)
		}
		return &reply{result: out}, nil
	}
	err := a.view(c, func(t *store.Tx) error {
		o, err := t.ObjectByName(kindDNSSEC, c.zone.id, "key")
		if err == nil {
			out, err = showDNSSEC(c.zone.name, o)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return &reply{result: out}, err
}

// dnssecIn turns signing on or off.
type dnssecIn struct {
	Status string `json:"status"` // active, disabled
}

func (a *API) changeDNSSEC(c *call) (*reply, error) {
	var in dnssecIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	switch in.Status {
	case "active":
		return a.signZone(c)
	case "disabled":
		return a.unsignZone(c)
	}
	return nil, invalid(codeField, "/status", "status must be active or disabled")
}

// signZone makes a key unless there is one.
func (a *API) signZone(c *call) (*reply, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(dnssecBody{string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		return nil, err
	}
	var out dnssecOut
	err = a.change(c, func(t *store.Tx) error {
		if err := t.Lock(c.zone.id); err != nil {
			return err
		}
		o, err := t.ObjectByName(kindDNSSEC, c.zone.id, "key")
		if errors.Is(err, store.ErrNotFound) {
			o = store.Object{Kind: kindDNSSEC, Zone: c.zone.id, Name: "key", Body: body}
			err = t.AddObject(&o, map[string]string{"status": "active"})
		}
		if err != nil {
			return err
		}
		out, err = showDNSSEC(c.zone.name, o)
		return err
	})
	return &reply{result: out}, err
}

func (a *API) unsignZone(c *call) (*reply, error) {
	err := a.change(c, func(t *store.Tx) error {
		o, err := t.ObjectByName(kindDNSSEC, c.zone.id, "key")
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := t.Lock(c.zone.id); err != nil {
			return err
		}
		return t.DeleteObject(kindDNSSEC, c.zone.id, o.ID, 0, map[string]string{"status": "active"})
	})
	return &reply{result: dnssecOut{Status: "disabled"}}, err
}

func (a *API) deleteDNSSEC(c *call) (*reply, error) {
	_, err := a.unsignZone(c)
	return &reply{result: ""}, err
}
