// Package house holds the rules of the house as tests: which package may
// import which, which package may touch the outside world, and how large a
// file may grow. It has no code of its own to run.
package house
