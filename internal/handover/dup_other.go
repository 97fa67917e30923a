//go:build !unix

package handover

import (
	"errors"
	"os"
)

// file fails: where programs cannot be given sockets, nothing is handed over.
func (s socket) file() (*os.File, error) {
	return nil, errors.New("sockets cannot be handed over on this system")
}
