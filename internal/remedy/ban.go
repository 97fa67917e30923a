package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Ban lifts bans of addresses in one jail of fail2ban, and tells the running
// server to ban them no more.
type Ban struct {
	Jail  string       `json:"jail"`
	Addrs []netip.Addr `json:"addrs"`
	// Ignore are ranges that the running tool learns to ignore.
	Ignore []netip.Prefix `json:"ignore,omitempty"`
}

// banState is what the tool held: the banned addresses in its own order, and
// the ranges that it ignored.
type banState struct {
	Banned  []netip.Addr `json:"banned"`
	Ignored []string     `json:"ignored,omitempty"`
	Rules   ruleState    `json:"rules"`
}

// ruleState is the order of the rules in the chains that the tool fills.
type ruleState struct {
	Tables []Iptables `json:"tables,omitempty"` // To = the rules as they were
	NFT    []NFTChain `json:"nft,omitempty"`
}

func (b *Ban) look(ctx context.Context, m *Machine) (banState, error) {
	st := banState{}
	var err error
	if st.Banned, err = b.banned(ctx, m); err != nil {
		return st, err
	}
	if len(b.Ignore) > 0 {
		if st.Ignored, err = b.ignored(ctx, m); err != nil {
			return st, err
		}
	}
	st.Rules, err = banRules(ctx, m, b.Jail)
	return st, err
}

// banned are those of the addresses that are banned now, in the tool's order.
func (b *Ban) banned(ctx context.Context, m *Machine) ([]netip.Addr, error) {
	out, err := m.Run(ctx, "", "fail2ban-client", "get", b.Jail, "banip")
	if err != nil {
		return nil, err
	}
	var now []netip.Addr
	for _, w := range strings.FieldsFunc(out, func(r rune) bool { return strings.ContainsRune(" \n\t,'\"[]", r) }) {
		a, err := netip.ParseAddr(w)
		if err == nil && slices.Contains(b.Addrs, a) && !slices.Contains(now, a) {
			now = append(now, a)
		}
	}
	return now, nil
}

// ignored are the networks that the jail ignores.
func (b *Ban) ignored(ctx context.Context, m *Machine) ([]string, error) {
	out, err := m.Run(ctx, "", "fail2ban-client", "get", b.Jail, "ignoreip")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, w := range strings.Fields(out) {
		if p := parts(w); len(p) > 0 {
			all = append(all, w)
		}
	}
	return all, nil
}

// fresh are the ranges that are not ignored yet.
func (b *Ban) fresh(st banState) []string {
	var out []string
	for _, r := range b.Ignore {
		if !slices.Contains(st.Ignored, r.String()) {
			out = append(out, r.String())
		}
	}
	return out
}

// Plan shows the tool's own commands.
func (b *Ban) Plan(ctx context.Context, m *Machine) (Change, error) {
	st, err := b.look(ctx, m)
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(st)}
	for _, a := range st.Banned {
		ch.Show = append(ch.Show, command("fail2ban-client", "set", b.Jail, "unbanip", a.String()))
	}
	for _, r := range b.fresh(st) {
		ch.Show = append(ch.Show, command("fail2ban-client", "set", b.Jail, "addignoreip", r))
	}
	ch.None = len(ch.Show) == 0
	return ch, nil
}

// Apply lifts the bans.
func (b *Ban) Apply(ctx context.Context, m *Machine) error {
	st, err := b.look(ctx, m)
	if err != nil {
		return err
	}
	if fresh := b.fresh(st); len(fresh) > 0 {
		if err := b.ignore(ctx, m, "addignoreip", fresh); err != nil {
			return err
		}
	}
	if len(st.Banned) == 0 {
		return nil
	}
	if _, err := m.Run(ctx, "", "fail2ban-client", append([]string{"set", b.Jail, "unbanip"}, texts(st.Banned)...)...); err != nil {
		return err
	}
	return b.await(ctx, m, nil)
}

// ignore changes the jail's list of ignored networks, in one session of the
// client: its start costs more than the change.
func (b *Ban) ignore(ctx context.Context, m *Machine, how string, ranges []string) error {
	var in strings.Builder
	for _, r := range ranges {
		fmt.Fprintf(&in, "set %s %s %s\n", b.Jail, how, r)
	}
	_, err := m.Run(ctx, in.String()+"exit\n", "fail2ban-client", "-i")
	return err
}

func texts(as []netip.Addr) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

// await waits until exactly the wanted ones of the addresses are banned: the
// tools do what they are told a moment later.
func (b *Ban) await(ctx context.Context, m *Machine, want []netip.Addr) error {
	end := time.Now().Add(settleLimit)
	for {
		now, err := b.banned(ctx, m)
		if err != nil {
			return err
		}
		if len(now) == len(want) {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return errors.New("fail2ban did not do what it was told")
		}
		time.Sleep(50 * time.Millisecond) // another program's work: there is no event to wait for
	}
}

// Undo bans again what was banned, in the same order, and forgets the ranges.
func (b *Ban) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was banState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if len(b.Ignore) > 0 {
		now, err := b.ignored(ctx, m)
		if err != nil {
			return err
		}
		var gone []string
		for _, r := range b.Ignore {
			if slices.Contains(now, r.String()) && !slices.Contains(was.Ignored, r.String()) {
				gone = append(gone, r.String())
			}
		}
		if len(gone) > 0 {
			if err := b.ignore(ctx, m, "delignoreip", gone); err != nil {
				return err
			}
		}
	}
	return b.banAgain(ctx, m, was)
}

func (b *Ban) banAgain(ctx context.Context, m *Machine, was banState) error {
	now, err := b.banned(ctx, m)
	if err != nil {
		return err
	}
	var again []netip.Addr
	for _, a := range was.Banned {
		if !slices.Contains(now, a) {
			again = append(again, a)
		}
	}
	for _, a := range again {
		if _, err := m.Run(ctx, "", "fail2ban-client", "set", b.Jail, "banip", a.String()); err != nil {
			return err
		}
	}
	if err := b.await(ctx, m, was.Banned); err != nil {
		return err
	}
	return was.Rules.awaitOrder(ctx, m)
}
