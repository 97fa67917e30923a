package acme

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// bridge has certmagic's messages go to our log.
type bridge struct {
	log    *slog.Logger
	fields []zapcore.Field
}

var levels = map[zapcore.Level]slog.Level{
	zapcore.DebugLevel: slog.LevelDebug,
	// How an order goes is told in a dozen lines at this level.
	zapcore.InfoLevel: slog.LevelDebug,
	zapcore.WarnLevel: slog.LevelWarn, zapcore.ErrorLevel: slog.LevelError,
}

// told are the messages that owners want to see although nothing is wrong.
var told = map[string]bool{"certificate obtained successfully": true, "certificate renewed successfully": true}

func level(e zapcore.Entry) slog.Level {
	if told[e.Message] {
		return slog.LevelInfo
	}
	l, ok := levels[e.Level]
	if !ok {
		return slog.LevelError
	}
	return l
}

// Enabled passes everything that may be told.
func (b bridge) Enabled(l zapcore.Level) bool {
	return l >= zapcore.InfoLevel || b.log.Enabled(context.Background(), slog.LevelDebug)
}

// With adds fields to every message.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.log, append(b.fields[:len(b.fields):len(b.fields)], fields...)}
}

// Check registers the core for a message.
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.log.Enabled(context.Background(), level(e)) {
		return c
	}
	return c.AddCore(e, b)
}

// Write passes a message on.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range append(b.fields[:len(b.fields):len(b.fields)], fields...) {
		f.AddTo(enc)
	}
	attrs := make([]slog.Attr, 0, len(enc.Fields))
	for k, v := range enc.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	b.log.LogAttrs(context.Background(), level(e), "ACME: "+e.Message, attrs...)
	return nil
}

// Sync has nothing to do.
func (bridge) Sync() error { return nil }
