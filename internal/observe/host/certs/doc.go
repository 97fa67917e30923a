// Package certs compares the certificates that configurations name with what
// the host serves for each site's name, over loopback: expiry, chain, key, and
// whether the running server still serves an older one than lies on disk.
package certs
