// Package acme obtains certificates for visitors from an ACME server (RFC 8555) and
// renews them, by certmagic. Everything happens beside the handshakes: a name that
// has no certificate yet is told so at once.
package acme
