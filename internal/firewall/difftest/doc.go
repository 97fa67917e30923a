// Package difftest compares the firewall model with the kernel: it generates rulesets, loads them into a throw-away
// namespace with the system's own tools, injects packets from the boundaries of every segment the model found, and
// demands that the kernel's verdict and deciding rule are the model's. It holds tests only.
package difftest
