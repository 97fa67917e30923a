package edgeapi

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/originward/originward/internal/edge"
)

// metrics gives the edge's metrics in Prometheus' forms.
func (a *API) metrics(*http.Request) (*reply, error) { return &reply{handler: a.measures}, nil }

// StartMetrics serves the edge's metrics, and nothing else, at /metrics on the
// address that the configuration has for them, to whoever reaches it. It is nil when
// there is none. version is the program's.
func StartMetrics(e *edge.Edge, version string, log *slog.Logger) (*Server, error) {
	addr := e.Config().Listen.Metrics
	if addr == "" {
		return nil, nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.MetricsHandler(version))
	return serveOn("metrics", addr, nil, log, func(netip.Addr) http.Handler { return mux })
}
