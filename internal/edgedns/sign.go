package edgedns

import (
	"crypto/ecdsa"
	"time"

	"github.com/miekg/dns"
)

// How long a signature holds. It begins early, for resolvers whose clock is
// behind, and is made anew long before its end: answers are kept for keepSigned.
const (
	signedBefore = 3 * time.Hour
	signedFor    = 4 * 24 * time.Hour
	keepSigned   = 6 * time.Hour
)

// flagsKey is the flags of a key that signs everything: zone key, and entry point.
const flagsKey = 257

// signer signs a zone's answers with one P-256 key (algorithm 13).
type signer struct {
	key  *dns.DNSKEY
	tag  uint16
	priv *ecdsa.PrivateKey
	now  func() time.Time
}

func newSigner(zone string, priv *ecdsa.PrivateKey, now func() time.Time) *signer {
	key := NewKey(zone, &priv.PublicKey)
	return &signer{key: key, tag: key.KeyTag(), priv: priv, now: now}
}

// NewKey is the DNSKEY record of a zone's key.
func NewKey(zone string, pub *ecdsa.PublicKey) *dns.DNSKEY {
	k := &dns.DNSKEY{Hdr: header(dns.Fqdn(zone), dns.TypeDNSKEY, 3600), Flags: flagsKey, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	// The uncompressed form is 4, X, Y; a DNSKEY holds X and Y (RFC 6605 section 4). A key that is on its curve has one.
	if raw, err := pub.Bytes(); err == nil {
		k.PublicKey = toBase64(raw[1:])
	}
	return k
}

// sign makes the signature of a set; nil when it cannot be made.
func (s *signer) sign(set []dns.RR) dns.RR {
	if len(set) == 0 {
		return nil
	}
	now := s.now()
	h := set[0].Header()
	sig := &dns.RRSIG{
		Hdr: header(h.Name, dns.TypeRRSIG, h.Ttl), Algorithm: dns.ECDSAP256SHA256, KeyTag: s.tag, SignerName: s.key.Hdr.Name,
		Inception: uint32(now.Add(-signedBefore).Unix()), Expiration: uint32(now.Add(signedFor).Unix()), //nolint:gosec // serial arithmetic (RFC 4034 section 3.1.5)
	}
	// What is answered by a wildcard is signed as the name itself: nothing more has to
	// be proved.
	if err := sig.Sign(s.priv, set); err != nil {
		return nil
	}
	return sig
}
