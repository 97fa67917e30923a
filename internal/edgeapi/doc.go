// Package edgeapi is the edge's control API. It answers in the envelope and under
// the paths of Cloudflare's API v4, so that programs written for that read an
// Originward edge too, and adds the edge's own record of exchanges below
// /client/v4/originward/.
//
// This is the read side: zones of the configuration file are read-only. What is
// not served is answered with 501 and a list of what is.
package edgeapi
