// Package h2 is the server's side of HTTP/2 (RFC 9113) over a connection that is
// handed to it. It hands each request to a handler in the form of the HTTP/1.1
// codec, with its fields as slices of one buffer, and takes the response as field
// lines and bytes; so a proxy passes both on without maps in between. Header
// compression is x/net's.
//
// One goroutine reads the connection; each stream has one for its handler. Frames
// gather in one buffer, and whoever finds nobody writing writes all of it: streams
// that answer at once share a system call.
//
// Everything that a peer can make grow is bounded: streams, whose places are kept
// until their handlers have ended, however often they are reset; fields; bodies, by
// the windows; frames that bring nothing; what waits to be written, beyond which
// nothing is read.
package h2
