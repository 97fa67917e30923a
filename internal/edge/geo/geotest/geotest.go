// Package geotest writes small databases of addresses in MaxMind's format for tests.
package geotest

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// node is a node of the search tree: its branches are nodes, or the entry's place in
// data plus one.
type node struct {
	branch [2]*node
	data   [2]int
}

// Database writes a database of the entries by their prefixes. Values are strings,
// booleans, uint32 and maps of them.
func Database(entries map[string]map[string]any) []byte {
	root := &node{}
	var data bytes.Buffer
	for _, p := range slices.Sorted(maps.Keys(entries)) {
		at := data.Len() + 1
		encode(&data, entries[p])
		root.put(netip.MustParsePrefix(p), at)
	}
	var list []*node
	index := map[*node]int{}
	var walk func(n *node)
	walk = func(n *node) {
		index[n] = len(list)
		list = append(list, n)
		for _, b := range n.branch {
			if b != nil {
				walk(b)
			}
		}
	}
	walk(root)
	var out bytes.Buffer
	for _, n := range list {
		for i := range 2 {
			v := len(list) // nothing there
			switch {
			case n.branch[i] != nil:
				v = index[n.branch[i]]
			case n.data[i] > 0:
				v = len(list) + 16 + n.data[i] - 1
			}
			out.Write([]byte{byte(v >> 16), byte(v >> 8), byte(v)}) //nolint:gosec // 24 bits
		}
	}
	out.Write(make([]byte, 16))
	out.Write(data.Bytes())
	out.WriteString("\xab\xcd\xefMaxMind.com")
	encode(&out, map[string]any{
		"node_count": uint32(len(list)), "record_size": uint32(24), "ip_version": uint32(6), //nolint:gosec // small
		"database_type": "Test", "binary_format_major_version": uint32(2), "binary_format_minor_version": uint32(0), "build_epoch": uint32(1),
		"description": map[string]any{"en": "test"},
	})
	return out.Bytes()
}

// put places an entry; IPv4 lies below ::/96.
func (n *node) put(p netip.Prefix, at int) {
	b, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		a := p.Addr().As4()
		b = [16]byte{}
		copy(b[12:], a[:])
		bits += 96
	}
	for i := range bits {
		bit := b[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			n.data[bit] = at
			return
		}
		if n.branch[bit] == nil {
			n.branch[bit] = &node{}
		}
		n = n.branch[bit]
	}
}

// encode writes one value of the data section: string 2, uint32 6, map 7, boolean 14.
func encode(w *bytes.Buffer, v any) {
	control := func(kind, size int) {
		first := kind << 5
		if kind > 7 {
			first = 0
		}
		if size < 29 {
			w.WriteByte(byte(first | size)) //nolint:gosec // 8 bits
		} else {
			w.WriteByte(byte(first | 29)) //nolint:gosec // 8 bits
		}
		if kind > 7 {
			w.WriteByte(byte(kind - 7)) //nolint:gosec // small
		}
		if size >= 29 {
			w.WriteByte(byte(size - 29)) //nolint:gosec // tests' texts are short
		}
	}
	switch x := v.(type) {
	case string:
		control(2, len(x))
		w.WriteString(x)
	case uint32:
		control(6, 4)
		w.Write(binary.BigEndian.AppendUint32(nil, x))
	case bool:
		n := 0
		if x {
			n = 1
		}
		control(14, n)
	case map[string]any:
		control(7, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			encode(w, k)
			encode(w, x[k])
		}
	}
}
