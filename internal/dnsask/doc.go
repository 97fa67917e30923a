// Package dnsask asks DNS servers what a name means and keeps apart what
// resolver libraries throw together: that a name does not exist, that a server
// failed or refused, that no answer came, and that there is no server.
package dnsask
