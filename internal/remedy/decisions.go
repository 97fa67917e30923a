package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Decisions lifts CrowdSec's bans of networks, and waits until the firewall
// bouncer has let go of them: it asks for news only every so often.
type Decisions struct {
	Nets []netip.Prefix `json:"nets"`
}

// decision is one ban as cscli lists it.
type decision struct {
	Value    string    `json:"value"`
	Scope    string    `json:"scope"` // Ip, Range
	Type     string    `json:"type"`  // ban, captcha …
	Scenario string    `json:"scenario"`
	Until    time.Time `json:"until"`
}

func (d decision) prefix() netip.Prefix {
	if ps := parts(d.Value); len(ps) == 1 {
		return ps[0]
	}
	return netip.Prefix{}
}

// argv names the ban to cscli.
func (d decision) argv(verb string) []string {
	flag := "--ip"
	if strings.EqualFold(d.Scope, "range") {
		flag = "--range"
	}
	return []string{"decisions", verb, flag, d.Value}
}

// again is how the ban is made anew, for what is left of its time.
func (d decision) again(now time.Time) []string {
	return append(d.argv("add"), "--duration", d.Until.Sub(now).Round(time.Second).String(), "--reason", d.Scenario, "--type", d.Type)
}

// cscli runs CrowdSec's client. The local API is away for a moment while
// CrowdSec reads its configuration anew.
func cscli(ctx context.Context, m *Machine, args ...string) (string, error) {
	end := time.Now().Add(settleLimit)
	for {
		out, err := m.Run(ctx, "", "cscli", append([]string{"--error"}, args...)...)
		if err == nil || time.Now().After(end) || ctx.Err() != nil || !strings.Contains(err.Error(), "connection refused") {
			return out, err
		}
		time.Sleep(200 * time.Millisecond) // another program's start: there is no event to wait for
	}
}

// list reads the decisions in force that touch the networks.
func (b *Decisions) list(ctx context.Context, m *Machine) ([]decision, error) {
	out, err := cscli(ctx, m, "decisions", "list", "--all", "--limit", "0", "--output", "json")
	if err != nil {
		return nil, err
	}
	return b.read([]byte(out), time.Now())
}

func (b *Decisions) read(raw []byte, now time.Time) ([]decision, error) {
	var alerts []struct {
		Decisions []struct {
			decision
			Duration  string `json:"duration"`
			Simulated bool   `json:"simulated"`
		} `json:"decisions"`
	}
	if err := json.Unmarshal(raw, &alerts); err != nil { // null = none
		return nil, fmt.Errorf("the list of CrowdSec's decisions: %w", err)
	}
	var all []decision
	for _, a := range alerts {
		for _, d := range a.Decisions {
			left, err := time.ParseDuration(d.Duration)
			d.Until = now.Add(left).UTC().Round(time.Second)
			if p := d.prefix(); err == nil && left > 0 && !d.Simulated && p.IsValid() && slices.ContainsFunc(b.Nets, p.Overlaps) {
				all = append(all, d.decision)
			}
		}
	}
	return all, nil
}

// Plan shows cscli's own commands.
func (b *Decisions) Plan(ctx context.Context, m *Machine) (Change, error) {
	now, err := b.list(ctx, m)
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(now), None: len(now) == 0}
	for _, d := range now {
		ch.Show = append(ch.Show, command("cscli", d.argv("delete")...)+fmt.Sprintf("   # %s, until %s", d.Scenario, d.Until.Format("15:04 UTC")))
	}
	return ch, nil
}

// Apply lifts the bans.
func (b *Decisions) Apply(ctx context.Context, m *Machine) error {
	now, err := b.list(ctx, m)
	if err != nil {
		return err
	}
	for _, d := range now {
		if _, err := cscli(ctx, m, d.argv("delete")...); err != nil {
			return err
		}
	}
	return b.await(ctx, m, now, false)
}

// Undo bans again what is banned no more.
func (b *Decisions) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was []decision
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	now, err := b.list(ctx, m)
	if err != nil {
		return err
	}
	var again []decision
	for _, d := range was {
		there := slices.ContainsFunc(now, func(x decision) bool { return x.Value == d.Value && x.Type == d.Type })
		if left := time.Until(d.Until); there || left < time.Second {
			continue // it would have ended by itself
		}
		if _, err := cscli(ctx, m, d.again(time.Now())...); err != nil {
			return err
		}
		again = append(again, d)
	}
	return b.await(ctx, m, again, true)
}

// await waits until the bouncer's sets hold the decisions, or hold them no more.
func (b *Decisions) await(ctx context.Context, m *Machine, ds []decision, there bool) error {
	if !has("crowdsec-firewall-bouncer") && !has("cs-firewall-bouncer") {
		return nil
	}
	end := time.Now().Add(3*bouncerPace() + 5*time.Second)
	for {
		sets, held := bouncerSets(ctx, m)
		late := slices.ContainsFunc(ds, func(d decision) bool { return d.Type == "ban" && slices.Contains(held, d.prefix()) != there })
		if sets == 0 || !late {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return errors.New("CrowdSec's firewall bouncer does not follow: systemctl status crowdsec-firewall-bouncer")
		}
		time.Sleep(100 * time.Millisecond) // another program's work: there is no event to wait for
	}
}

// bouncerConf are the places of the firewall bouncer's configuration, the one
// that counts last.
var bouncerConf = []string{"/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml", "/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml.local"}

var paceLine = regexp.MustCompile(`(?m)^update_frequency:\s*["']?([0-9a-z.]+)`)

// bouncerPace is how often the bouncer asks for news (its default: 10s).
func bouncerPace() time.Duration {
	pace := 10 * time.Second
	for _, path := range bouncerConf {
		raw, _ := os.ReadFile(path)
		if f := paceLine.FindSubmatch(raw); f != nil {
			if d, err := time.ParseDuration(string(f[1])); err == nil && d > 0 {
				pace = min(d, time.Minute)
			}
		}
	}
	return pace
}

var bouncerSet = regexp.MustCompile(`^\s*set (crowdsec6?-blacklists\S*) \{`)

// bouncerSets are the networks in the sets that the bouncer fills, and how many
// sets there are, of nf_tables and of ipset.
func bouncerSets(ctx context.Context, m *Machine) (sets int, held []netip.Prefix) {
	if has("nft") {
		out, _ := m.Run(ctx, "", "nft", "list", "sets")
		in := false
		for _, l := range strings.Split(out, "\n") {
			if strings.HasPrefix(strings.TrimSpace(l), "set ") {
				if in = bouncerSet.MatchString(l); in {
					sets++
				}
			}
			for _, w := range strings.FieldsFunc(l, func(r rune) bool { return strings.ContainsRune(" \t,{}=", r) }) {
				if in {
					held = append(held, parts(w)...)
				}
			}
		}
	}
	if has("ipset") {
		out, _ := m.Run(ctx, "", "ipset", "save")
		for _, l := range strings.Split(out, "\n") {
			f := strings.Fields(l)
			switch {
			case len(f) < 3 || !strings.HasPrefix(f[1], "crowdsec-blacklists") && !strings.HasPrefix(f[1], "crowdsec6-blacklists"):
			case f[0] == "create":
				sets++
			case f[0] == "add":
				held = append(held, parts(f[2])...)
			}
		}
	}
	return sets, held
}
