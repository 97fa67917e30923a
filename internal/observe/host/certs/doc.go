// Package certs compares the certificates that configurations name with what
// the host serves.
package certs
