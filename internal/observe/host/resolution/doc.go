// Package resolution says what the site's name and the names of backends mean
// on this host.
package resolution
