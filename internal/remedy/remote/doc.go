// Package remote carries out a fix on a host at the other end of ssh, where
// nothing is installed.
//
// The program is sent there and works as an agent (Serve): it plans, simulates
// and changes, keeps the journal, and starts the guard, all on the host itself.
// Whoever asked (Host) shows the plan, agrees to it, looks again from its own
// vantages and says whether it helped. When the connection is lost at whatever
// point, the agent takes everything back, and when it is gone too, the guard
// does: no end of ssh reaches it, and it runs on when its file is removed.
//
// Both sides speak in lines of JSON over the standard input and output of the
// agent. The secrets of the CDN's API never go there.
package remote
