package h2

import (
	"encoding/binary"
	"fmt"
)

// Frame types (RFC 9113 section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameRSTStream    = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

// Flags.
const (
	flagEndStream  = 0x1 // of DATA and HEADERS
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings (RFC 9113 section 6.5.2).
const (
	settingEnablePush        = 0x2
	settingMaxStreams        = 0x3
	settingInitialWindowSize = 0x4
	settingMaxFrameSize      = 0x5
	settingMaxHeaderListSize = 0x6
)

// Code is an error code of RFC 9113 section 7.
type Code uint32

// The codes that are used.
const (
	NoError            Code = 0x0
	ProtocolError      Code = 0x1
	InternalError      Code = 0x2
	FlowControlError   Code = 0x3
	StreamClosed       Code = 0x5
	FrameSizeError     Code = 0x6
	RefusedStream      Code = 0x7
	Cancel             Code = 0x8
	CompressionError   Code = 0x9
	EnhanceYourCalm    Code = 0xb
	InadequateSecurity Code = 0xc
)

// ConnError ends the connection.
type ConnError struct {
	Code Code
	Why  string
}

func (e *ConnError) Error() string { return fmt.Sprintf("HTTP/2 error %d: %s", e.Code, e.Why) }

// ResetError says that a stream was reset: by the visitor, or by us for what it sent.
type ResetError struct{ Code Code }

func (e *ResetError) Error() string {
	return fmt.Sprintf("HTTP/2 stream was reset with code %d", e.Code)
}

const (
	frameHead = 9
	// maxFrame is the size of frames that are taken, and by default sent (section 6.5.2).
	maxFrame   = 1 << 14
	maxWindow  = 1<<31 - 1
	baseWindow = 1<<16 - 1
)

// frame is one frame as read; its payload holds until the next one is read.
type frame struct {
	kind, flags byte
	stream      uint32
	p           []byte
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

// unpad cuts the padding off; false when it is longer than the frame.
func (f *frame) unpad() bool {
	if !f.has(flagPadded) {
		return true
	}
	if len(f.p) == 0 || int(f.p[0]) >= len(f.p) {
		return false
	}
	f.p = f.p[1 : len(f.p)-int(f.p[0])]
	return true
}

func appendFrameHead(b []byte, size int, kind, flags byte, stream uint32) []byte {
	b = append(b, byte(size>>16), byte(size>>8), byte(size), kind, flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendWord(b []byte, kind byte, stream, word uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHead(b, 4, kind, 0, stream), word)
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}
