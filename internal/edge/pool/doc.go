// Package pool chooses the origin for a visitor of a load-balanced name: pools in
// order of failover or by weight, an origin within the pool, the session that a
// visitor already has, and the one other origin that a failed request may be tried
// at (cloudflare load-balancing).
//
// It does no I/O and allocates nothing for a choice. What is known of an origin's
// health stands in [Health], which outlives configurations ([Registry]); package
// monitor writes it.
package pool
