package collect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestOpenPorts: listeners of both families count, connections and unreadable
// files do not.
func TestOpenPorts(t *testing.T) {
	proc := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(proc, "net"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, "net", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	among := []uint16{2053, 8080, 8443, 2053}
	if got := OpenPorts(proc, among); got != nil {
		t.Errorf("without files: %v", got)
	}
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	put("tcp", heading+
		"   0: 00000000:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"+
		"   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n")
	put("tcp6", heading+
		"   0: 00000000000000000000000000000000:0805 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1\n")
	if got := OpenPorts(proc, among); !slices.Equal(got, []uint16{2053, 8443}) {
		t.Errorf("open: %v, want 2053 and 8443", got)
	}
}
