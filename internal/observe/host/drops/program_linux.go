package drops

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
)

// An event as the program writes it: location, reason, interface, the IP header and the start of the TCP header.
const (
	evLocation, evReason, evIfindex, evIP, evTCP, evSize = 0, 8, 12, 16, 56, 80

	ev   = -evSize     // of the event on the stack
	tmp  = ev - 16     // two words of scratch
	tmp2 = ev - 8      //
	ip   = ev + evIP   //
	tcp  = ev + evTCP  //
	done = "exit"      // label of the end
	synF = int32(0x02) // TCP flags
	both = int32(0x12) // SYN and ACK
	v4   = uint16(0x0800)
	v6   = uint16(0x86dd)
)

// order is a number in network byte order as this machine reads it from memory.
func order(v uint16) int32 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return int32(binary.NativeEndian.Uint16(b[:]))
}

// read copies kernel memory at a register plus an offset to the stack; what cannot be read ends the program.
func read(to int32, size int32, from asm.Register, at uint32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, to),
		asm.Mov.Imm(asm.R2, size),
		asm.Mov.Reg(asm.R3, from),
		asm.Add.Imm(asm.R3, int32(at)),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, done),
	}
}

func load(dst asm.Register, at int32, size asm.Size) asm.Instruction {
	return asm.LoadMem(dst, asm.R10, int16(at), size)
}

// program filters kfree_skb: only SYNs for the ports, and their answers, of the namespace with this number.
func program(o offsets, netns uint32, ports []uint16, ring, lost int) asm.Instructions {
	p := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord), // the packet
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.StoreMem(asm.R10, ev+evLocation, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R6, 16, asm.DWord),
		asm.StoreMem(asm.R10, ev+evReason, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, ev+evIfindex, asm.R1, asm.Word),
	}
	for at := ip; at < 0; at += 8 {
		p = append(p, asm.StoreMem(asm.R10, int16(at), asm.R1, asm.DWord))
	}
	p = append(p, headers(o)...)
	p = append(p, wanted(ports)...)
	p = append(p, namespace(o, netns)...)
	return append(p, emit(ring, lost)...)
}

// headers leaves the IP and TCP headers on the stack.
func headers(o offsets) asm.Instructions {
	var p asm.Instructions
	p = append(p, read(tmp, 8, asm.R7, o.head)...)
	p = append(p, load(asm.R8, tmp, asm.DWord))
	p = append(p, read(tmp, 2, asm.R7, o.network)...)
	p = append(p, load(asm.R1, tmp, asm.Half), asm.Add.Reg(asm.R8, asm.R1))
	p = append(p, read(tmp, 2, asm.R7, o.protocol)...)
	p = append(p,
		load(asm.R1, tmp, asm.Half),
		asm.JEq.Imm(asm.R1, order(v6), "six"),
		asm.JNE.Imm(asm.R1, order(v4), done),
	)
	p = append(p, read(ip, 20, asm.R8, 0)...)
	p = append(p,
		load(asm.R1, ip+9, asm.Byte),
		asm.JNE.Imm(asm.R1, 6, done),
		load(asm.R9, ip, asm.Byte),
		asm.And.Imm(asm.R9, 15),
		asm.LSh.Imm(asm.R9, 2),
		asm.Add.Reg(asm.R9, asm.R8),
		asm.Ja.Label("tcp"),
	)
	six := read(ip, 40, asm.R8, 0)
	six[0] = six[0].WithSymbol("six")
	p = append(p, six...)
	p = append(p,
		load(asm.R1, ip+6, asm.Byte),
		asm.JNE.Imm(asm.R1, 6, done),
		asm.Mov.Reg(asm.R9, asm.R8),
		asm.Add.Imm(asm.R9, 40),
	)
	l4 := read(tcp, 20, asm.R9, 0)
	l4[0] = l4[0].WithSymbol("tcp")
	return append(p, l4...)
}

// wanted lets handshakes of the ports through.
func wanted(ports []uint16) asm.Instructions {
	p := asm.Instructions{
		load(asm.R1, tcp+13, asm.Byte),
		asm.And.Imm(asm.R1, both),
		load(asm.R2, tcp+2, asm.Half), // destination port
		asm.JEq.Imm(asm.R1, synF, "port"),
		asm.JNE.Imm(asm.R1, both, done),
		load(asm.R2, tcp, asm.Half), // an answer's source port
	}
	for i, port := range ports {
		in := asm.JEq.Imm(asm.R2, order(port), "net")
		if i == 0 {
			in = in.WithSymbol("port")
		}
		p = append(p, in)
	}
	return append(p, asm.Ja.Label(done))
}

// namespace lets this namespace's packets through: by their interface, else by the socket they are for or from.
func namespace(o offsets, netns uint32) asm.Instructions {
	first := read(tmp, 8, asm.R7, o.dev)
	first[0] = first[0].WithSymbol("net")
	p := append(asm.Instructions{}, first...)
	p = append(p, load(asm.R8, tmp, asm.DWord), asm.JEq.Imm(asm.R8, 0, "socket"))
	p = append(p, read(ev+evIfindex, 4, asm.R8, o.ifindex)...)
	p = append(p, read(tmp, 8, asm.R8, o.devNet)...)
	p = append(p, asm.Ja.Label("inum"))
	if o.args >= 4 {
		p = append(p, asm.LoadMem(asm.R8, asm.R6, 24, asm.DWord).WithSymbol("socket"), asm.JNE.Imm(asm.R8, 0, "of"))
		p = append(p, read(tmp, 8, asm.R7, o.sk)...)
	} else {
		own := read(tmp, 8, asm.R7, o.sk)
		own[0] = own[0].WithSymbol("socket")
		p = append(p, own...)
	}
	p = append(p, load(asm.R8, tmp, asm.DWord), asm.JEq.Imm(asm.R8, 0, done))
	of := read(tmp, 8, asm.R8, o.sockNet)
	of[0] = of[0].WithSymbol("of")
	p = append(p, of...)
	p = append(p, load(asm.R8, tmp, asm.DWord).WithSymbol("inum"))
	p = append(p, read(tmp2, 4, asm.R8, o.inum)...)
	return append(p, load(asm.R1, tmp2, asm.Word), asm.JNE.Imm32(asm.R1, int32(netns), done))
}

// emit hands the event over, or counts it as lost.
func emit(ring, lost int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, ring),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, ev),
		asm.Mov.Imm(asm.R3, evSize),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, done),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, tmp, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, lost),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, tmp),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, done),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol(done),
		asm.Return(),
	}
}
