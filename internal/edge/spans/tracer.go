package spans

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Options are where spans go, and which.
type Options struct {
	Endpoint string            // URL of the collector's traces, "http://127.0.0.1:4318/v1/traces"
	Headers  map[string]string // sent along, for example an Authorization
	Sample   float64           // share of the requests that bring no trusted parent, 0 to 1
	Version  string            // of the program
	Place    string            // of the edge
	Log      *slog.Logger
}

// Bounds of what waits to be sent: beyond them spans are dropped, never requests
// held up. 2,048 spans of some 2 KiB are 4 MiB.
const (
	maxQueue   = 2048
	maxBatch   = 512
	sendEvery  = 2 * time.Second
	sendWithin = 5 * time.Second
)

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	sender   *sender
	bound    uint64
}

// New makes a tracer; it connects when it has something to send.
func New(ctx context.Context, o Options) (*Tracer, error) {
	out, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHeaders(o.Headers), otlptracehttp.WithTimeout(sendWithin),
		// What cannot be sent now is dropped: holding it would only drop what comes after.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
	)
	if err != nil {
		return nil, fmt.Errorf("traces to %s: %w", o.Endpoint, err)
	}
	t := &Tracer{sender: &sender{SpanExporter: out, log: o.Log, to: o.Endpoint}, bound: bound(o.Sample)}
	t.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), // what is not sampled makes no span
		sdk.WithIDGenerator(given{}),
		sdk.WithResource(resource.NewWithAttributes(semconv.SchemaURL,
			semconv.ServiceName("originward"), semconv.ServiceVersion(o.Version), attribute.String("originward.place", o.Place))),
		sdk.WithBatcher(t.sender, sdk.WithMaxQueueSize(maxQueue), sdk.WithMaxExportBatchSize(maxBatch),
			sdk.WithBatchTimeout(sendEvery), sdk.WithExportTimeout(sendWithin)),
	)
	t.tracer = t.provider.Tracer("github.com/originward/originward/internal/edge")
	return t, nil
}

// bound is the highest id, of 63 bits, that is sampled.
func bound(share float64) uint64 {
	if share >= 1 {
		return math.MaxUint64
	}
	return uint64(share * (1 << 63))
}

// Begin is the place of a request in its trace. parent is a traceparent field that
// is trusted, nil for none; whoever sent it decides whether the request is sampled.
func (t *Tracer) Begin(parent []byte) Context { return begin(parent, t.bound) }

// Event is something that happened within a span.
type Event struct {
	Name string
	At   time.Time
	Took time.Duration
	Done bool // it ended well
}

// Span is a request that has ended.
type Span struct {
	Name       string
	Began      time.Time
	Took       time.Duration
	Attributes []attribute.KeyValue
	Events     []Event
	Failed     string // why; empty = it has not
}

// End makes a sampled request's span and has it sent; it never waits.
func (t *Tracer) End(c Context, s *Span) {
	if !c.Sampled {
		return
	}
	ctx := context.WithValue(context.Background(), placeKey{}, c)
	if c.Parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: c.Trace, SpanID: c.Parent, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, span := t.tracer.Start(ctx, s.Name, trace.WithTimestamp(s.Began), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(s.Attributes...))
	for _, e := range s.Events {
		span.AddEvent(e.Name, trace.WithTimestamp(e.At), trace.WithAttributes(
			attribute.Float64("originward.phase.duration_ms", float64(e.Took.Microseconds())/1000), attribute.Bool("originward.phase.done", e.Done),
		))
	}
	if s.Failed != "" {
		span.SetStatus(codes.Error, s.Failed)
	}
	span.End(trace.WithTimestamp(s.Began.Add(s.Took)))
}

// Sent counts the spans that a collector took, and those that could not be sent.
func (t *Tracer) Sent() (sent, lost uint64) { return t.sender.sent.Load(), t.sender.lost.Load() }

// Shutdown sends what waits, at most until ctx ends.
func (t *Tracer) Shutdown(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// given gives spans the ids that were decided when the request began.
type given struct{}

type placeKey struct{}

func place(ctx context.Context) Context {
	c, _ := ctx.Value(placeKey{}).(Context)
	return c
}

// NewIDs are those of a trace that begins here.
func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	c := place(ctx)
	return c.Trace, c.Span
}

// NewSpanID is the id within another's trace.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID { return place(ctx).Span }

// sender counts what is sent, and says when it cannot be.
type sender struct {
	sdk.SpanExporter
	log        *slog.Logger
	to         string
	sent, lost atomic.Uint64
	told       atomic.Int64 // Unix seconds
}

// tellEvery is how often in seconds a collector that does not answer is told of.
const tellEvery = 60

// ExportSpans sends spans. A failure is told of here: it is nobody else's matter.
func (s *sender) ExportSpans(ctx context.Context, list []sdk.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, list)
	if err == nil {
		s.sent.Add(uint64(len(list)))
		return nil
	}
	s.lost.Add(uint64(len(list)))
	now, told := time.Now().Unix(), s.told.Load()
	if now-told >= tellEvery && s.told.CompareAndSwap(told, now) {
		s.log.Warn("traces are not taken", "collector", s.to, "error", err, "lost", s.lost.Load())
	}
	return nil
}
