package http1

import "bytes"

// maxWaste bounds chunk framing that carries no content: long extensions, one-byte
// chunks without end. Each chunk earns 16 bytes and twice its size; the same bound as Go's.
const maxWaste = 16 << 10

// maxChunkDigits is enough for any int64.
const maxChunkDigits = 16

// advance works through buffered chunk framing until content, the end, a fault or the
// end of what has arrived. It does no I/O; a fault is kept in b.err.
func (b *Body) advance() {
	for b.err == nil {
		var more bool
		switch b.state {
		case bodyChunkSize:
			more, b.err = b.chunkSize()
		case bodyChunkEnd:
			more, b.err = b.chunkEnd()
		case bodyTrailer:
			more, b.err = b.trailer()
		default:
			return
		}
		if more {
			return
		}
	}
}

// chunkSize parses a chunk-size line. more is true when it has not arrived whole.
func (b *Body) chunkSize() (more bool, _ *ParseError) {
	r := b.r
	if r.rd == r.wr {
		return true, nil
	}
	unread := r.cur.b[r.rd:r.wr]
	if class[unread[0]]&isHex == 0 {
		return false, r.fault(BadChunkSize, b.side, PartBody, r.rd, r.rd)
	}
	limit := r.limits.ChunkLine
	lf := bytes.IndexByte(unread[:min(len(unread), limit+2)], '\n')
	if lf < 0 && len(unread) < limit+2 {
		return true, nil
	}
	if lf < 0 {
		e := r.fault(ChunkLineTooLong, b.side, PartBody, r.rd, r.rd+limit)
		e.Want, e.Have = int64(limit), int64(len(unread))
		return false, e
	}
	// A bare LF is refused here on both sides, as Go does: RFC 9112 allows it in heads
	// only, and where a chunk ends must not depend on who reads it.
	if lf == 0 || unread[lf-1] != '\r' {
		return false, r.fault(BareLF, b.side, PartBody, r.rd, r.rd+lf)
	}
	line := unread[: lf-1 : lf-1]
	size, kind, at := b.parseChunkSize(line)
	if kind != KindNone {
		e := r.fault(kind, b.side, PartBody, r.rd, r.rd+at)
		if kind == ChunkTooLong {
			e.Want, e.Have = r.limits.Chunk, size
		}
		return false, e
	}
	b.waste = max(0, b.waste+int64(lf+1)-16-2*min(size, maxWaste))
	if b.waste > maxWaste {
		e := r.fault(ChunkLineTooLong, b.side, PartBody, r.rd, r.rd)
		e.Want, e.Have = maxWaste, b.waste
		return false, e
	}
	r.rd += lf + 1
	b.left = size
	b.state = bodyData
	if size == 0 {
		b.state = bodyTrailer
	}
	return false, nil
}

// parseChunkSize parses 1*HEXDIG and the extensions behind it. at is the index of the fault.
func (b *Body) parseChunkSize(line []byte) (size int64, kind Kind, at int) {
	i := 0
	for ; i < len(line) && class[line[i]]&isHex != 0; i++ {
		if i == maxChunkDigits || size > 1<<59-1 {
			return size, BadChunkSize, i
		}
		c := lower[line[i]]
		if c >= 'a' {
			c -= 'a' - 10
		} else {
			c -= '0'
		}
		size = size<<4 | int64(c)
	}
	if i == 0 {
		return 0, BadChunkSize, 0
	}
	if size > b.r.limits.Chunk {
		return size, ChunkTooLong, 0
	}
	kind, at = b.chunkExtension(line, i)
	return size, kind, at
}

// chunkExtension checks what stands behind a chunk size, from line[i] on:
// *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112 section 7.1.1.
// It is checked in full and then ignored: readers that stop at different places of a malformed
// one see different chunks.
func (b *Body) chunkExtension(line []byte, i int) (Kind, int) {
	if i == len(line) {
		return KindNone, 0
	}
	if ctl := firstForbidden(line, i); ctl >= 0 {
		if line[ctl] == '\r' {
			return BareCR, ctl
		}
		return BadChunkExtension, ctl
	}
	if class[line[i]]&isToken != 0 {
		return BadChunkSize, i // it follows the digits directly
	}
	name := skipSpace(line, i)
	if b.side == Response && name == len(line) {
		b.quirks |= QuirkChunkSpace
		return KindNone, 0
	}
	at := badExtension(line, i)
	switch {
	case at < 0:
		return KindNone, 0
	case b.side == Response && line[name] == ';':
		b.quirks |= QuirkChunkExtension
		return KindNone, 0
	}
	return BadChunkExtension, at
}

// badExtension returns the index of the first fault in the extensions from line[i] on, -1 when there is none.
func badExtension(line []byte, i int) int {
	for i < len(line) {
		i = skipSpace(line, i)
		if i == len(line) || line[i] != ';' {
			return i
		}
		i = skipSpace(line, i+1)
		name := i
		i = skipClass(line, i, isToken)
		if i == name {
			return i
		}
		eq := skipSpace(line, i)
		if eq == len(line) || line[eq] != '=' {
			continue
		}
		i = skipSpace(line, eq+1)
		value := i
		if i < len(line) && line[i] == '"' {
			i = skipQuoted(line, i)
		} else {
			i = skipClass(line, i, isToken)
		}
		if i == value {
			return i
		}
	}
	return -1
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

func skipClass(b []byte, i int, mask uint8) int {
	for i < len(b) && class[b[i]]&mask != 0 {
		i++
	}
	return i
}

// skipQuoted returns the index behind the quoted-string that begins at b[i], i itself
// when it has no end. Control bytes have been ruled out before.
func skipQuoted(b []byte, i int) int {
	for j := i + 1; j < len(b); j++ {
		switch b[j] {
		case '"':
			return j + 1
		case '\\':
			j++
		}
	}
	return i
}

// chunkEnd consumes the CRLF behind chunk data.
func (b *Body) chunkEnd() (more bool, _ *ParseError) {
	r := b.r
	for i, c := range []byte("\r\n") {
		if r.rd+i == r.wr {
			return true, nil
		}
		if r.cur.b[r.rd+i] != c {
			return false, r.fault(BadChunkEnd, b.side, PartBody, r.rd, r.rd+i)
		}
	}
	r.rd += 2
	b.state = bodyChunkSize
	return false, nil
}
