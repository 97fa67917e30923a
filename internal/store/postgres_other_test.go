//go:build !unix

package store

import (
	"errors"
	"testing"
)

func postgres(t *testing.T) string {
	t.Helper()
	t.Skip("PostgreSQL is started as another user, which only Unix has")
	return ""
}

func psql(string, string) ([]byte, error) { return nil, errors.New("no PostgreSQL") }
