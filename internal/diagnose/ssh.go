package diagnose

import (
	"context"
	"fmt"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/observe/ssh"
)

// overSSH collects on the host at the other end of ssh; nothing stays there.
func (a *Ask) overSSH(ctx context.Context, h HostAsk) (*originward.Bundle, error) {
	args := []string{}
	if h.Host != "" {
		args = append(args, h.Host)
	}
	for _, o := range h.Origins {
		args = append(args, "--origin", o.String())
	}
	for _, p := range h.Ports {
		args = append(args, "--port", fmt.Sprint(p))
	}
	if h.Ray != "" {
		args = append(args, "--ray", h.Ray)
	}
	if h.Since > 0 {
		args = append(args, "--since", h.Since.String())
	}
	if h.Window > 0 {
		args = append(args, "--window", h.Window.String())
	}
	return ssh.Collect(ctx, a.SSH, ssh.Options{Sudo: a.SSHSudo, Args: args})
}
