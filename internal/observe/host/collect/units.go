package collect

// UnitDirs are where systemd looks for units; the first that has one counts
// (systemd.unit(5)).
var UnitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
