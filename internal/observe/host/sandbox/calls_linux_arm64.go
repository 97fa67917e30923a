package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// legacy are the system calls that only older architectures have: none here.
var legacy = calls{}

// arguments gives the directory, the address of the path, and the flags of a
// call that opens or makes a path.
func arguments(q *notification) (dirfd int32, path uint64, flags int) {
	return int32(q.Args[0]), q.Args[1], int(uint32(q.Args[2]))
}

func isMkdir(int32) bool { return false }
