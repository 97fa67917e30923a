// Package monitor checks the health of the origins of pools: http, https and tcp
// monitors with Cloudflare's settings and its vocabulary of failures (cloudflare
// load-balancing/monitors, troubleshooting/common-error-codes).
//
// [Prober] does one check, through package exchange as everything that reaches an
// origin does. [Watch] does them on time, and notes what they say in the origins'
// [pool.Health].
package monitor
