//go:build !unix

package containers

func isRefused(error) bool { return false }
