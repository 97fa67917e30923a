//go:build race

package http1

// raceEnabled: sync.Pool drops at random under the race detector, so allocations mean nothing there.
const raceEnabled = true
