package cdn

import (
	"context"
	"net/http"
	"time"

	"github.com/originward/originward/internal/escape"
)

// worthless says why the token is worth nothing now; empty = it is, or nobody knows:
// one that belongs to an account is known below that account only.
func (o *observer) worthless(ctx context.Context) string {
	if o.Token == "" || o.provider == fastly { // there, who looks for the service asks
		return ""
	}
	var answer struct {
		Success bool
		Result  struct {
			Status    string
			NotBefore time.Time `json:"not_before"`
			ExpiresOn time.Time `json:"expires_on"`
		}
	}
	status, err := o.raw(ctx, http.MethodGet, "user/tokens/verify", nil, &answer)
	if err != nil || status != http.StatusOK || !answer.Success {
		return ""
	}
	switch r := answer.Result; {
	case r.Status != "" && r.Status != "active":
		return "the token is " + escape.Line(r.Status, 32)
	case !r.NotBefore.IsZero() && o.Now().Before(r.NotBefore):
		return "the token is valid from " + r.NotBefore.UTC().Format(time.RFC3339) + " only"
	case !r.ExpiresOn.IsZero() && !o.Now().Before(r.ExpiresOn):
		return "the token ended on " + r.ExpiresOn.UTC().Format(time.RFC3339)
	}
	return ""
}

// permissions of the calls, as the CDN names them when a token is made.
const (
	zoneRead      = "Zone: Read"
	dnsRead       = "DNS: Read"
	settingsRead  = "Zone Settings: Read"
	wafRead       = "Zone WAF: Read"
	accessRead    = "Firewall Services: Read"
	sslRead       = "SSL and Certificates: Read"
	pagesRead     = "Custom Pages: Read"
	analyticsRead = "Analytics: Read"
	routesRead    = "Workers Routes: Read"
	balancersRead = "Load Balancers: Read"
	poolsRead     = "Load Balancing: Monitors and Pools: Read"
	accountRead   = "Account Settings: Read"
)
