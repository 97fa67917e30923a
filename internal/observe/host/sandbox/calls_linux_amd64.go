package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// legacy are the system calls that only older architectures have.
var legacy = calls{
	notify: []uint32{unix.SYS_MKDIR, unix.SYS_CREAT},
	refuse: []uint32{
		unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_LINK, unix.SYS_SYMLINK, unix.SYS_MKNOD,
		unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT,
	},
	pretend: []uint32{unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN},
	opens:   []open{{unix.SYS_OPEN, 1}},
}

// arguments gives the directory, the address of the path, and the flags of a
// call that opens or makes a path.
func arguments(q *notification) (dirfd int32, path uint64, flags int) {
	switch q.Nr {
	case unix.SYS_OPEN:
		return unix.AT_FDCWD, q.Args[0], int(uint32(q.Args[1]))
	case unix.SYS_CREAT:
		return unix.AT_FDCWD, q.Args[0], unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC
	case unix.SYS_MKDIR:
		return unix.AT_FDCWD, q.Args[0], 0
	}
	return int32(q.Args[0]), q.Args[1], int(uint32(q.Args[2]))
}

func isMkdir(nr int32) bool { return nr == unix.SYS_MKDIR }
