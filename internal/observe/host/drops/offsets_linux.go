package drops

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// offsets are where the running kernel keeps what the program reads, in bytes.
type offsets struct {
	protocol, dev, sk, head, network uint32 // of sk_buff
	ifindex, devNet                  uint32 // of net_device
	sockNet                          uint32 // of sock
	inum                             uint32 // of net
	args                             int    // of the tracepoint
	reasons                          map[uint32]string
}

// errKernel says that the kernel does not name reasons, or not where they are looked for.
var errKernel = errors.New("the kernel does not name reasons of drops (Linux 5.17 and later do)")

// readOffsets reads the kernel's type information.
func readOffsets() (offsets, error) {
	o := offsets{reasons: map[uint32]string{}}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return o, fmt.Errorf("read the kernel's type information: %w", err)
	}
	var td *btf.Typedef
	if err := spec.TypeByName("btf_trace_kfree_skb", &td); err != nil {
		return o, fmt.Errorf("%w: %w", errKernel, err)
	}
	ptr, _ := td.Type.(*btf.Pointer)
	if ptr == nil {
		return o, errKernel
	}
	proto, _ := ptr.Target.(*btf.FuncProto)
	if proto == nil || len(proto.Params) < 4 {
		return o, errKernel
	}
	o.args = len(proto.Params) - 1 // the first belongs to the tracepoint
	var names *btf.Enum
	if err := spec.TypeByName("skb_drop_reason", &names); err != nil {
		return o, fmt.Errorf("%w: %w", errKernel, err)
	}
	for _, v := range names.Values {
		o.reasons[uint32(v.Value)] = v.Name
	}
	for _, f := range []struct {
		to   *uint32
		typ  string
		path []string
	}{
		{&o.protocol, "sk_buff", []string{"protocol"}}, {&o.dev, "sk_buff", []string{"dev"}}, {&o.sk, "sk_buff", []string{"sk"}},
		{&o.head, "sk_buff", []string{"head"}}, {&o.network, "sk_buff", []string{"network_header"}},
		{&o.ifindex, "net_device", []string{"ifindex"}}, {&o.devNet, "net_device", []string{"nd_net", "net"}},
		{&o.sockNet, "sock", []string{"__sk_common", "skc_net", "net"}}, {&o.inum, "net", []string{"ns", "inum"}},
	} {
		var st *btf.Struct
		if err := spec.TypeByName(f.typ, &st); err != nil {
			return o, fmt.Errorf("the kernel's struct %s: %w", f.typ, err)
		}
		at, err := offsetOf(st, f.path)
		if err != nil {
			return o, fmt.Errorf("the kernel's struct %s: %w", f.typ, err)
		}
		*f.to = at
	}
	return o, nil
}

// offsetOf follows a path of members; unnamed structs and unions are looked through.
func offsetOf(t btf.Type, path []string) (uint32, error) {
	at := uint32(0)
	for _, name := range path {
		off, next, ok := member(t, name)
		if !ok {
			return 0, fmt.Errorf("no member %s", name)
		}
		at, t = at+off, next
	}
	return at, nil
}

func member(t btf.Type, name string) (uint32, btf.Type, bool) {
	var list []btf.Member
	switch s := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		list = s.Members
	case *btf.Union:
		list = s.Members
	}
	for _, m := range list {
		if m.Name == name {
			return m.Offset.Bytes(), m.Type, m.BitfieldSize == 0
		}
	}
	for _, m := range list {
		if m.Name != "" {
			continue
		}
		if off, next, ok := member(m.Type, name); ok {
			return m.Offset.Bytes() + off, next, true
		}
	}
	return 0, nil, false
}
