//go:build linux

package difftest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// runChild starts this test binary as a measuring process in the calling thread's namespace.
func runChild(exe string, m *measurement) error {
	cmd := exec.Command(exe, "-test.run", "^$")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measuring process: %w", err)
	}
	return json.Unmarshal(out, m)
}
