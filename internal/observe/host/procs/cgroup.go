package procs

import "strings"

// parseCgroup reads /proc/PID/cgroup and gives the path of the unified
// hierarchy (or systemd's own of version 1), the unit, and the container.
func parseCgroup(s string) (path, unit, container string) {
	var unified, named string
	for line := range strings.Lines(s) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			unified = f[2]
		case f[1] == "name=systemd":
			named = f[2]
		}
		if container == "" {
			container = ContainerOf(f[2])
		}
	}
	path = unified
	if path == "" || (path == "/" && named != "") {
		path = named
	}
	return path, UnitOf(path), container
}

// UnitOf gives the systemd unit that a cgroup path belongs to: the innermost
// component that is a service or scope. Empty where there is none.
func UnitOf(path string) string {
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if strings.HasSuffix(parts[i], ".service") || strings.HasSuffix(parts[i], ".scope") {
			return unescapeUnit(parts[i])
		}
	}
	return ""
}

// unescapeUnit drops the underscore that systemd puts before names that would
// clash with kernel files.
func unescapeUnit(s string) string { return strings.TrimPrefix(s, "_") }

// ContainerOf gives the container's short id (12 hex digits, as engines print
// it) or LXC name from a cgroup path; empty where it is none.
func ContainerOf(path string) string {
	for part := range strings.SplitSeq(path, "/") {
		part = strings.TrimSuffix(part, ".scope")
		if name, ok := strings.CutPrefix(part, "lxc.payload."); ok {
			return name
		}
		if i := strings.LastIndexAny(part, "-:"); i >= 0 {
			part = part[i+1:]
		}
		if len(part) == 64 && isHex(part) {
			return part[:12]
		}
	}
	return ""
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}
