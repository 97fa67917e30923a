package edgeapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward/internal/edge"
)

func fetch(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// The API gives the metrics to whom it gives the rest.
func TestMetricsRoute(t *testing.T) {
	const path = Prefix + "/originward/metrics"
	open := start(t, "127.0.0.1:0")
	if status, body := fetch(t, "http://"+open.api.Addr().String()+path, ""); status != 200 || !strings.Contains(body, "\noriginward_build_info{") {
		t.Errorf("on loopback: %d %.200s", status, body)
	}
	shut := httptest.NewServer(New(open.edge, netip.MustParseAddr("192.0.2.1"), Options{}))
	defer shut.Close()
	if status, body := fetch(t, shut.URL+path, ""); status != 401 || strings.Contains(body, "originward_zones") {
		t.Errorf("elsewhere without a token: %d %.200s", status, body)
	}
	if status, body := fetch(t, shut.URL+path, fileToken); status != 200 || !strings.Contains(body, "\noriginward_zones 2\n") {
		t.Errorf("elsewhere with a token: %d %.200s", status, body)
	}
}

// An address of their own has the metrics alone.
func TestMetricsListener(t *testing.T) {
	cfg, err := edge.Loader().Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:0'], metrics: '127.0.0.1:0'}"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := StartMetrics(e, "9.8.7", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + s.Addr().String()
	if status, body := fetch(t, base+"/metrics", ""); status != 200 || !strings.Contains(body, `version="9.8.7"`) {
		t.Errorf("%d %.200s", status, body)
	}
	if status, _ := fetch(t, base+Prefix+"/zones", ""); status != 404 {
		t.Errorf("the API is there, too: %d", status)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	cfg.Listen.Metrics = ""
	if s, err := StartMetrics(e, "", nil); s != nil || err != nil {
		t.Errorf("without an address: %v, %v", s, err)
	}
}
