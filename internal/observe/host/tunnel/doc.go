// Package tunnel reads the state of a tunnel connector (cloudflared) on this
// host: whether it runs and is connected, which tunnel it serves, where its
// rules lead, and what its log complains about. Tokens and secrets are never
// part of the answer.
package tunnel
