package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// supported tells why this system cannot be changed; nil = it can.
func supported() error {
	if os.Geteuid() != 0 {
		return errors.New("changing this machine needs root; run it with sudo, or look with --dry-run")
	}
	return nil
}

// apart puts a program into a session of its own: an interrupt of the terminal
// must not end it in the middle of a change.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// owner gives who owns a file.
func owner(st fs.FileInfo) (uid, gid int) {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}

// attributes are the extended attributes of a file, without those that the
// kernel measures itself.
func attributes(path string) map[string][]byte {
	names := make([]byte, 64<<10) // the kernel's limit (XATTR_LIST_MAX)
	n, err := unix.Listxattr(path, names)
	if err != nil || n == 0 {
		return nil
	}
	out := map[string][]byte{}
	for _, name := range strings.Split(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Getxattr(path, name, value)
		if err == nil && name != "security.ima" && name != "security.evm" {
			out[name] = value[:n]
		}
	}
	return out
}

// setAttributes gives a new file the attributes of the one that it replaces. A
// file system that knows none of them gave none.
func setAttributes(path string, attrs map[string][]byte) error {
	for name, value := range attrs {
		if err := unix.Setxattr(path, name, value, 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("attribute %s of %s: %w", name, path, err)
		}
	}
	return nil
}

// lock takes the lock of an open file; false = another process has it.
func lock(f *os.File, wait bool) (bool, error) {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// process is a process by more than its number, which is used again.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // ticks since boot, field 22 of /proc/PID/stat
}

func processOf(pid int) process { return process{pid, startOf(pid)} }

// kill ends the process, if it still is that one.
func (p process) kill() {
	if p.Start != "" && startOf(p.PID) == p.Start {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

// runs reports whether the process is still there and has not ended.
func (p process) runs() bool {
	return p.Start != "" && startOf(p.PID) == p.Start && processState(fmt.Sprintf("/proc/%d", p.PID)) != "Z"
}

func startOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	text := string(raw)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// resume lets stopped processes run on, or stops them again.
func resume(pid int, stop bool) error {
	if stop {
		return syscall.Kill(pid, syscall.SIGSTOP)
	}
	return syscall.Kill(pid, syscall.SIGCONT)
}
