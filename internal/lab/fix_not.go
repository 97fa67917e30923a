package lab

// notCurable says why a world cannot be cured on its origin; empty = it must
// be. Worlds that are healthy, or broken elsewhere, have nothing to cure there.
func notCurable(w *World) string {
	switch {
	case w.Local != nil:
		return "the origin is this program's own"
	case w.Noisy || w.Undecided || len(w.Causes) == 0:
		return "no cause is named"
	case w.Shared:
		return "the host shares this machine's file system"
	}
	if why, ok := notHere[w.Name]; ok {
		return why
	}
	for _, id := range w.Causes {
		if why, ok := notOnHost[id]; ok {
			return why
		}
	}
	return ""
}
