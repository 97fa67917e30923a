// Package dnsrec knows the DNS record types that the edge serves: it checks what
// the control API is given as Cloudflare's API does, brings it into one form,
// and turns it into what a DNS server answers.
package dnsrec
