package firewall

import "context"

// Prove replays the snapshot into a throw-away network namespace, injects boundary addresses of every segment of the
// answer, and compares. It needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and touches nothing outside that namespace.
func (s *Snapshot) Prove(ctx context.Context, a Answer) (Proof, error) {
	return Proof{}, ErrUnsupported
}
