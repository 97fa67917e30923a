// Package meter counts what the edge does with requests, and gives it to Prometheus.
//
// Every label is bounded by the configuration or by a closed list: zones that are
// configured, status codes, phases, fault types, kinds of rules. Names, addresses
// and paths that visitors bring are never labels.
//
// A request's numbers go into the cell of the shard that the caller names, so that
// processors do not share cache lines; cells are added up when they are asked for.
package meter
