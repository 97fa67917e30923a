// Package spans makes one OpenTelemetry span of each sampled request and sends them
// to a collector over OTLP/HTTP.
//
// A request's place in its trace is decided when it begins, because its origin is
// told (W3C Trace Context); the span itself is made when the request has ended, from
// the times that were taken anyhow. So a request that is not sampled costs a few
// random numbers, and an edge without a collector nothing.
package spans
