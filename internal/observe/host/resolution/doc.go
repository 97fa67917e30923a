// Package resolution says what the site's own name and the names of backends
// mean on this host: through /etc/hosts and its resolver. A name that leads
// back to the edge makes a loop.
package resolution
