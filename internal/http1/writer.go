package http1

import (
	"errors"
	"io"
)

// ErrBodyTooLong and ErrBodyTooShort say that a body did not have its declared length.
var (
	ErrBodyTooLong  = errors.New("http1: body longer than its declared length")
	ErrBodyTooShort = errors.New("http1: body shorter than its declared length")
)

// ChunkWriter writes content as chunks: one chunk and one write per call of Write.
// Its buffer comes from a pool at the first write and goes back at Close.
type ChunkWriter struct {
	w io.Writer
}

// NewChunkWriter returns a chunk writer on w. prefix, which may be nil, is sent in
// the same write as the first chunk: a head that is ready, say.
func NewChunkWriter(w io.Writer, prefix []byte) *ChunkWriter { panic("unwritten") }

// Reset makes c write to w, with the given prefix.
func (c *ChunkWriter) Reset(w io.Writer, prefix []byte) { panic("unwritten") }

// Write sends p as one chunk. Errors are *WriteError.
func (c *ChunkWriter) Write(p []byte) (int, error) { panic("unwritten") }

// Close sends the last chunk with the trailers, which may be nil. Not calling it
// leaves the message unfinished on purpose, so that the peer sees the failure.
func (c *ChunkWriter) Close(trailers []Field) error { panic("unwritten") }

// Abort gives the buffer back without ending the message.
func (c *ChunkWriter) Abort() { panic("unwritten") }

// LengthWriter writes content of a declared length and refuses any other.
type LengthWriter struct {
	w    io.Writer
	left int64
}

// NewLengthWriter returns a writer of exactly n bytes to w.
func NewLengthWriter(w io.Writer, n int64) *LengthWriter { panic("unwritten") }

// Write writes p, or nothing and ErrBodyTooLong when p exceeds what is left. Errors of w are *WriteError.
func (l *LengthWriter) Write(p []byte) (int, error) { panic("unwritten") }

// Close returns ErrBodyTooShort when bytes are missing.
func (l *LengthWriter) Close() error { panic("unwritten") }
