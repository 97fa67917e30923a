// Package sock reads and writes TCP connections with as little ado as the kernel
// allows: the calls are made without telling the scheduler, which would otherwise
// reckon with each of them blocking and hand the thread's work to another one.
// Sockets are non-blocking, so none does.
package sock
