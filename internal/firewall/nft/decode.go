// Package nft reads nf_tables from the kernel and decodes it into the neutral model, strictly: an expression or
// attribute that is not known becomes an unknown with its name, never a gap. Attribute numbers are those of
// include/uapi/linux/netfilter/nf_tables.h.
package nft

import (
	"errors"
	"fmt"
	"time"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Message numbers within the subsystem (NFT_MSG_*).
const (
	msgNewTable   = 0
	msgGetTable   = 1
	msgNewChain   = 3
	msgGetChain   = 4
	msgNewRule    = 6
	msgGetRule    = 7
	msgNewSet     = 9
	msgGetSet     = 10
	msgNewSetElem = 12
	msgGetSetElem = 13
	msgNewGen     = 15
	msgGetGen     = 16
	msgNewObj     = 18
	msgGetObj     = 19
)

// Decoder turns messages into a ruleset. The zero value is not ready: use NewDecoder.
type Decoder struct {
	rs     *ruleset.Ruleset
	tables map[tableKey]*ruleset.Table
	chains map[chainKey]*ruleset.Chain
	last   *ruleset.Chain // of the last rule: dumps come chain by chain
	exprs  []ruleset.Expr
	rules  []ruleset.Rule
}

type tableKey struct {
	family ruleset.Family
	name   string
}

type chainKey struct {
	table *ruleset.Table
	name  string
}

// NewDecoder returns an empty decoder.
func NewDecoder() *Decoder {
	return &Decoder{rs: &ruleset.Ruleset{}, tables: map[tableKey]*ruleset.Table{}, chains: map[chainKey]*ruleset.Chain{}}
}

// Ruleset resolves the names that link its parts and returns what was decoded.
func (d *Decoder) Ruleset() *ruleset.Ruleset {
	d.resolve()
	return d.rs
}

// unknownAttr is the error for an attribute this decoder does not know; the caller turns it into an unknown.
type unknownAttr struct {
	of  string
	typ uint16
}

func (u unknownAttr) Error() string { return fmt.Sprintf("%s attribute %d", u.of, u.typ) }

// Table decodes a table.
func (d *Decoder) Table(m nfnl.Message) error {
	t := &ruleset.Table{
		Family: ruleset.Family(m.Family), Sets: map[string]*ruleset.Set{},
		Objects: map[ruleset.ObjectKey]*ruleset.Object{},
	}
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			t.Name = it.Str()
		case 2:
			t.Dormant = it.BE32()&0x1 != 0
		case 4:
			t.Handle = it.BE64()
		case 6:
			t.Comment = comment(it.Val)
		case 7:
			t.Owner = it.BE32()
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft table: %w", it.Err)
	}
	if t.Name == "" {
		return errors.New("nft table: no name")
	}
	d.tables[tableKey{t.Family, t.Name}] = t
	d.rs.Tables = append(d.rs.Tables, t)
	return nil
}

// Chain decodes a chain. Its table must have been decoded before.
func (d *Decoder) Chain(m nfnl.Message) error {
	c := &ruleset.Chain{}
	var b ruleset.Base
	var table string
	var hook []byte
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			table = it.Str()
		case 2:
			c.Handle = it.BE64()
		case 3:
			c.Name = it.Str()
		case 4:
			hook = it.Val
		case 5:
			b.Drop = it.BE32() == 0
		case 7:
			b.Type = it.Str()
		case 8:
			b.Packets, b.Bytes, b.HasCounter = chainCounter(it.Val)
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft chain: %w", it.Err)
	}
	if c.Name == "" {
		return errors.New("nft chain: no name")
	}
	c.Table = d.tables[tableKey{ruleset.Family(m.Family), table}]
	if c.Table == nil {
		return fmt.Errorf("nft chain %q: table %q was not in the dump", c.Name, table)
	}
	if hook != nil {
		c.Base = &b
		if err := decodeHook(c, hook); err != nil {
			return err
		}
	}
	c.Table.Chains = append(c.Table.Chains, c)
	d.chains[chainKey{c.Table, c.Name}] = c
	return nil
}

func chainCounter(b []byte) (packets, bytes uint64, ok bool) {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			bytes = it.BE64()
		case 2:
			packets = it.BE64()
		}
	}
	return packets, bytes, it.Err == nil
}

// inetHooks are the hook numbers of ip, ip6, inet and bridge (NF_INET_*), netdevHooks those of netdev.
var (
	inetHooks = []ruleset.Hook{
		ruleset.Prerouting, ruleset.Input, ruleset.Forward, ruleset.Output, ruleset.Postrouting, ruleset.Ingress,
	}
	netdevHooks = []ruleset.Hook{ruleset.Ingress, ruleset.Egress}
)

// decodeHook fills a base chain's hook, priority and devices.
func decodeHook(c *ruleset.Chain, b []byte) error {
	num := ^uint32(0)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			num = it.BE32()
		case 2:
			c.Base.Priority = int32(it.BE32())
		case 3:
			// The single device, which the list in 4 repeats on kernels that have it.
			if len(c.Base.Devices) == 0 {
				c.Base.Devices = []string{it.Str()}
			}
		case 4:
			c.Base.Devices = nil
			dev := nfnl.Attrs(it.Val)
			for dev.Next() {
				// 1 is a name; 2 a name prefix (NFTA_DEVICE_PREFIX), kept with nft's own wildcard sign.
				name := dev.Str()
				if dev.Type == 2 {
					name += "*"
				}
				c.Base.Devices = append(c.Base.Devices, name)
			}
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft chain %q: %w", c.Name, it.Err)
	}
	hooks := inetHooks
	if c.Table.Family == ruleset.NETDEV {
		hooks = netdevHooks
	}
	if int(num) >= len(hooks) {
		c.Unknown = fmt.Sprintf("hook number %d", num)
		return nil
	}
	c.Base.Hook = hooks[num]
	return nil
}

// comment finds the comment in userdata, which is a list of type, length, value (type 0 is the comment).
func comment(b []byte) string {
	for len(b) >= 2 {
		n := int(b[1])
		if 2+n > len(b) {
			return ""
		}
		if b[0] == 0 {
			v := b[2 : 2+n]
			for i, c := range v {
				if c == 0 {
					return string(v[:i])
				}
			}
			return string(v)
		}
		b = b[2+n:]
	}
	return ""
}

// Rule decodes a rule. Its chain must have been decoded before.
func (d *Decoder) Rule(m nfnl.Message) error {
	r := d.newRule()
	var table, chain []byte
	var exprs []byte
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			table = cstr(it.Val)
		case 2:
			chain = cstr(it.Val)
		case 3:
			r.Handle = it.BE64()
		case 4:
			exprs = it.Val
		case 7:
			r.Comment = comment(it.Val)
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft rule: %w", it.Err)
	}
	c := d.last
	fam := ruleset.Family(m.Family)
	if c == nil || c.Table.Family != fam || c.Name != string(chain) || c.Table.Name != string(table) {
		t := d.tables[tableKey{fam, string(table)}]
		if c = d.chains[chainKey{t, string(chain)}]; c == nil {
			return fmt.Errorf("nft rule %d: chain %q of table %q was not in the dump", r.Handle, chain, table)
		}
		d.last = c
	}
	r.Chain = c
	r.Exprs = d.exprList(exprs, fam)
	c.Rules = append(c.Rules, r)
	r.Position = len(c.Rules)
	return nil
}

func cstr(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// newRule and exprList allocate in slabs: fifty thousand rules would otherwise be half a million small objects.
func (d *Decoder) newRule() *ruleset.Rule {
	if len(d.rules) == cap(d.rules) {
		d.rules = make([]ruleset.Rule, 0, 512)
	}
	d.rules = append(d.rules, ruleset.Rule{})
	return &d.rules[len(d.rules)-1]
}

func (d *Decoder) exprList(b []byte, fam ruleset.Family) []ruleset.Expr {
	if cap(d.exprs)-len(d.exprs) < 24 {
		d.exprs = make([]ruleset.Expr, 0, 2048)
	}
	start := len(d.exprs)
	it := nfnl.Attrs(b)
	for it.Next() {
		d.exprs = append(d.exprs, decodeExpr(it.Val, fam))
	}
	if it.Err != nil {
		d.exprs = append(d.exprs, unknownExpr("malformed expression list"))
	}
	out := d.exprs[start:len(d.exprs):len(d.exprs)]
	return out
}

// Object decodes a named object.
func (d *Decoder) Object(m nfnl.Message) error {
	o := &ruleset.Object{}
	var table string
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			table = it.Str()
		case 2:
			o.Name = it.Str()
		case 3:
			o.Type = it.BE32()
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft object: %w", it.Err)
	}
	t := d.tables[tableKey{ruleset.Family(m.Family), table}]
	if t == nil {
		return fmt.Errorf("nft object %q: table %q was not in the dump", o.Name, table)
	}
	t.Objects[o.ObjectKey] = o
	return nil
}

func msDuration(ms uint64) time.Duration {
	if ms > uint64(1<<62/int64(time.Millisecond)) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
