// Package contract runs the official Go SDK of Cloudflare's API, unchanged but
// for its base URL, against a running Originward edge. It is a module of its own:
// what the SDK costs to build is paid here alone.
package contract
