package contract

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	lb "github.com/cloudflare/cloudflare-go/v7/load_balancers"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	wire "github.com/miekg/dns"
)

// Monitors, pools, a load balancer, health and previews, through the SDK; DNS and
// the edge answer with it.
func TestLoadBalancing(t *testing.T) {
	e := start(t)
	zone := newZone(t, e, "shop.example")
	must[*zones.SettingEditResponse](t)(zones.NewSettingService(e.options(rootToken)...).Edit(ctx(t), "ssl",
		with(zones.SettingEditParams{}, "ZoneID", zone, "Body", with(zones.SettingEditParamsBody{}, "Value", "off"))))
	account := must[accountPage](t)(listAccounts(t, e))[0].ID
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "from "+r.Host) }))
	t.Cleanup(origin.Close)
	port := int64(origin.Listener.Addr().(*net.TCPAddr).Port)

	monitors := lb.NewMonitorService(e.options(rootToken)...)
	m := must[*lb.Monitor](t)(monitors.New(ctx(t), with(lb.MonitorNewParams{}, "AccountID", account, "Type", lb.MonitorNewParamsTypeHTTP,
		"Port", port, "Interval", 1, "Timeout", 1, "Retries", 0, "ExpectedCodes", "2xx", "Path", "/health",
		"Header", map[string][]string{"Host": {"monitor.example"}})))
	if m.ID == "" || m.Method != "GET" || m.Path != "/health" || m.Interval != 1 || m.ExpectedCodes != "2xx" {
		t.Errorf("monitor %+v", m)
	}
	if list := must[*pagination.SinglePage[lb.Monitor]](t)(monitors.List(ctx(t), with(lb.MonitorListParams{}, "AccountID", account))); len(list.Result) != 1 {
		t.Errorf("monitors %+v", list)
	}
	_, err := monitors.New(ctx(t), with(lb.MonitorNewParams{}, "AccountID", account, "Type", lb.MonitorNewParamsTypeTCP))
	if code, n := status(t, err); code != 400 || n != 1002 {
		t.Errorf("a tcp monitor without a port: %v", err)
	}

	pools := lb.NewPoolService(e.options(rootToken)...)
	member := func(name, address string) lb.OriginParam {
		return with(lb.OriginParam{}, "Name", name, "Address", address, "Port", port, "Weight", 0.5, "Enabled", true,
			"Header", with(lb.HeaderParam{}, "Host", []lb.HostParam{"app.example"}))
	}
	p := must[*lb.Pool](t)(pools.New(ctx(t), with(lb.PoolNewParams{}, "AccountID", account, "Name", "main", "Monitor", m.ID,
		"Origins", []lb.OriginParam{member("a", "127.0.0.1"), member("b", "127.0.0.2")})))
	if !p.Enabled || p.MinimumOrigins != 1 || len(p.Origins) != 2 || p.Origins[0].Weight != 0.5 || p.Origins[0].Header.Host[0] != "app.example" {
		t.Errorf("pool %+v", p)
	}
	if got := must[*lb.Pool](t)(pools.Get(ctx(t), p.ID, with(lb.PoolGetParams{}, "AccountID", account))); got.Monitor != m.ID {
		t.Errorf("get %+v", got)
	}
	_, err = pools.New(ctx(t), with(lb.PoolNewParams{}, "AccountID", account, "Name", "main", "Origins", []lb.OriginParam{member("a", "127.0.0.1")}))
	if code, n := status(t, err); code != 400 || n != 1003 {
		t.Errorf("a name that is taken: %v", err)
	}

	balancers := lb.NewLoadBalancerService(e.options(rootToken)...)
	b := must[*lb.LoadBalancer](t)(balancers.New(ctx(t), with(lb.LoadBalancerNewParams{}, "ZoneID", zone, "Name", "www.shop.example", "Proxied", true,
		"DefaultPools", []lb.DefaultPoolsParam{p.ID}, "FallbackPool", p.ID, "SessionAffinity", lb.SessionAffinityCookie,
		"SessionAffinityAttributes", with(lb.SessionAffinityAttributesParam{}, "DrainDuration", 60.0))))
	if !b.Proxied || b.SteeringPolicy != lb.SteeringPolicyOff || b.SessionAffinity != lb.SessionAffinityCookie || !slices.Equal(b.DefaultPools, []string{p.ID}) {
		t.Errorf("load balancer %+v", b)
	}
	if got := e.ask("www.shop.example", wire.TypeA); !slices.Equal(got, []string{"198.51.100.10"}) {
		t.Errorf("DNS %v", got)
	}
	health := func() string {
		return must[*lb.PoolHealthGetResponse](t)(lb.NewPoolHealthService(e.options(rootToken)...).Get(ctx(t), p.ID, with(lb.PoolHealthGetParams{}, "AccountID", account))).JSON.RawJSON()
	}
	wait := func(reasons ...string) {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); slices.ContainsFunc(reasons, func(r string) bool { return !strings.Contains(health(), r) }); {
			if time.Now().After(end) {
				t.Fatalf("health %s, wanted %q", health(), reasons)
			}
		}
	}
	wait("No failures", "TCP connection failed")
	balancedVisits(t, e)
	m = must[*lb.Monitor](t)(monitors.Edit(ctx(t), m.ID, with(lb.MonitorEditParams{}, "AccountID", account, "ExpectedBody", "FROM MONITOR")))
	if m.ExpectedBody != "FROM MONITOR" || m.Port != port {
		t.Errorf("edited %+v", m)
	}
	wait("Response body mismatch error") // the origin's Host goes before the monitor's
	preview := must[*lb.PoolHealthNewResponse](t)(lb.NewPoolHealthService(e.options(rootToken)...).New(ctx(t), p.ID,
		with(lb.PoolHealthNewParams{}, "AccountID", account, "Type", lb.PoolHealthNewParamsTypeTCP, "Port", port)))
	result := *must[*lb.PreviewGetResponse](t)(lb.NewPreviewService(e.options(rootToken)...).Get(ctx(t), preview.PreviewID, with(lb.PreviewGetParams{}, "AccountID", account)))
	if r := result[p.ID]; !r.Healthy || !r.Origins[0]["127.0.0.1"].Healthy || r.Origins[1]["127.0.0.2"].Healthy {
		t.Errorf("preview %+v", result)
	}
	refs := must[*pagination.SinglePage[lb.PoolReferenceGetResponse]](t)(lb.NewPoolReferenceService(e.options(rootToken)...).Get(ctx(t), p.ID, with(lb.PoolReferenceGetParams{}, "AccountID", account)))
	if len(refs.Result) != 1 || refs.Result[0].ResourceName != "www.shop.example" {
		t.Errorf("references %+v", refs)
	}
	_, err = pools.Delete(ctx(t), p.ID, with(lb.PoolDeleteParams{}, "AccountID", account))
	if code, n := status(t, err); code != 412 || n != 1005 {
		t.Errorf("a pool in use: %v", err)
	}
	off := must[*lb.LoadBalancer](t)(balancers.Edit(ctx(t), b.ID, with(lb.LoadBalancerEditParams{}, "ZoneID", zone, "Enabled", false)))
	if off.Enabled || len(e.ask("www.shop.example", wire.TypeA)) != 0 {
		t.Errorf("disabled %+v", off)
	}
	must[*lb.LoadBalancerDeleteResponse](t)(balancers.Delete(ctx(t), b.ID, with(lb.LoadBalancerDeleteParams{}, "ZoneID", zone)))
	must[*lb.PoolDeleteResponse](t)(pools.Delete(ctx(t), p.ID, with(lb.PoolDeleteParams{}, "AccountID", account)))
	must[*lb.MonitorDeleteResponse](t)(monitors.Delete(ctx(t), m.ID, with(lb.MonitorDeleteParams{}, "AccountID", account)))
}

// balancedVisits visits the balanced name: the one origin that is there answers,
// under its own name, and the visitor gets a session.
func balancedVisits(t *testing.T, e *edge) {
	t.Helper()
	for range 5 {
		req, err := http.NewRequestWithContext(ctx(t), "GET", "http://"+e.http+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "www.shop.example"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || string(b) != "from app.example" || !strings.HasPrefix(resp.Header.Get("Set-Cookie"), "__cflb=") {
			t.Errorf("visit: %v %d %s %q", err, resp.StatusCode, b, resp.Header)
		}
	}
}
