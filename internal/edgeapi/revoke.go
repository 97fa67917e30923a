package edgeapi

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/store"
)

// kindRevoked is a certificate that the origin CA has taken back; name = issuer's
// and serial number, in hexadecimal.
const kindRevoked = "origin_revoked"

// revokedBody is what the edge's verification has to know of it.
type revokedBody struct {
	Issuer    []byte    `json:"issuer"` // name as encoded
	Serial    string    `json:"serial_number"`
	RevokedAt time.Time `json:"revoked_at"`
	ExpiresOn time.Time `json:"expires_on"`
}

// revoke has the strict modes refuse a certificate of the origin CA, which is o, and
// deletes it. Certificates that have expired meanwhile are refused anyway.
func (a *API) revoke(t *store.Tx, o store.Object) error {
	var b originCertBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(b.Certificate))
	if block == nil {
		return errors.New("a stored certificate is no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	now := a.now()
	body := revokedBody{c.RawIssuer, c.SerialNumber.Text(16), now.UTC().Truncate(time.Second), c.NotAfter}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	all, err := t.Objects(kindRevoked, "")
	if err != nil {
		return err
	}
	for _, old := range all {
		var was revokedBody
		if err := json.Unmarshal(old.Body, &was); err != nil {
			return err
		}
		if now.After(was.ExpiresOn) {
			if err := t.DeleteObject(kindRevoked, "", old.ID, 0, nil); err != nil {
				return err
			}
		}
	}
	r := store.Object{Kind: kindRevoked, Name: hex.EncodeToString(c.RawIssuer) + "-" + body.Serial, Body: raw}
	if err := t.AddObject(&r, map[string]any{"serial_number": body.Serial, "hostnames": b.Hostnames, "revoked_at": body.RevokedAt}); err != nil {
		return err
	}
	return t.DeleteObject(kindOriginCert, o.Zone, o.ID, 0, nil)
}

// revokeAll revokes every certificate of a zone that goes away.
func (a *API) revokeAll(t *store.Tx, zone string) error {
	all, err := t.Objects(kindOriginCert, zone)
	for _, o := range all {
		if err := a.revoke(t, o); err != nil {
			return err
		}
	}
	return err
}

// loadRevoked reads what is not to be trusted any more.
func (l *Live) loadRevoked(t *store.Tx) error {
	all, err := t.Objects(kindRevoked, "")
	if err != nil {
		return err
	}
	l.revoked = nil
	for _, o := range all {
		var b revokedBody
		if err := json.Unmarshal(o.Body, &b); err != nil {
			return err
		}
		n, ok := new(big.Int).SetString(b.Serial, 16)
		if !ok {
			return errors.New("a stored serial number cannot be read")
		}
		l.revoked = append(l.revoked, config.Revoked{Issuer: string(b.Issuer), Serial: string(n.Bytes()), At: b.RevokedAt})
	}
	return nil
}
