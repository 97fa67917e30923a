//go:build race

package edge

// underRace is true where the race detector multiplies memory and time.
const underRace = true
