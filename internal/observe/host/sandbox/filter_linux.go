//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// calls says what becomes of system calls, by number.
type calls struct {
	notify  []uint32 // answered by the supervisor
	refuse  []uint32 // EROFS
	deny    []uint32 // EPERM
	missing []uint32 // ENOSYS: the program falls back to a call that is answered
	pretend []uint32 // 0, and nothing happens
	opens   []open   // answered by the supervisor when opened for writing
}

// open is a system call that opens a file, with the position of its flags.
type open struct{ nr, flags uint32 }

// common are the calls of every architecture.
var common = calls{
	notify: []uint32{unix.SYS_MKDIRAT, unix.SYS_BIND},
	refuse: []uint32{
		unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_MKNODAT,
		unix.SYS_TRUNCATE, unix.SYS_UTIMENSAT, unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR,
		unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_FALLOCATE,
	},
	deny: []uint32{
		unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_WRITEV,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_OPEN_TREE, unix.SYS_MOUNT_SETATTR,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY,
		unix.SYS_CLOCK_SETTIME, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_BPF,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_MSGSND, unix.SYS_SHMCTL, unix.SYS_SEMCTL,
	},
	missing: []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_OPENAT2},
	pretend: []uint32{unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_FTRUNCATE, unix.SYS_LISTEN},
	opens:   []open{{unix.SYS_OPENAT, 2}},
}

// x32 marks the calls of the x32 ABI, which have numbers of their own; no
// architecture has others this high.
const x32 = 0x40000000

// writing are the flags of an open that may change something.
const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC

// program assembles the filter. notify is what happens to calls that the
// supervisor answers: SECCOMP_RET_USER_NOTIF, or an errno where the kernel has
// no supervisor.
func program(notify uint32) ([]bpf.RawInstruction, error) {
	const offsetNr, offsetArch, offsetArgs = 0, 4, 16
	errno := func(n uint32) uint32 { return unix.SECCOMP_RET_ERRNO | n }
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}, // a foreign ABI would slip through
		bpf.LoadAbsolute{Off: offsetNr, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1},
		bpf.RetConstant{Val: errno(uint32(unix.ENOSYS))},
	}
	each := func(list []uint32, ret uint32) {
		for _, nr := range list {
			p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: 1}, bpf.RetConstant{Val: ret})
		}
	}
	for _, c := range []calls{common, legacy} {
		each(c.notify, notify)
		each(c.refuse, errno(uint32(unix.EROFS)))
		each(c.deny, errno(uint32(unix.EPERM)))
		each(c.missing, errno(uint32(unix.ENOSYS)))
		each(c.pretend, errno(0))
		for _, o := range c.opens {
			p = append(p,
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: o.nr, SkipFalse: 4},
				bpf.LoadAbsolute{Off: offsetArgs + 8*o.flags, Size: 4}, // low half: both ABIs are little-endian
				bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: writing, SkipFalse: 1},
				bpf.RetConstant{Val: notify},
				bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
			)
		}
	}
	p = append(p, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	return bpf.Assemble(p)
}

// confine puts this thread, and whatever it starts, under the filter for good.
// The descriptor of the supervisor's end is -1 where the kernel has none.
func confine() (listener int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("%w: %w", ErrUnsupported, os.NewSyscallError("prctl", err))
	}
	listener, err = install(unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err == nil {
		return listener, nil
	}
	if _, err := install(unix.SECCOMP_RET_ERRNO|uint32(unix.EROFS), 0); err != nil {
		return -1, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return -1, nil
}

func install(notify uint32, flags uintptr) (int, error) {
	raw, err := program(notify)
	if err != nil {
		return -1, err
	}
	f := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		f[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, os.NewSyscallError("seccomp", errno)
	}
	return int(fd), nil
}
