// Package waf runs the OWASP Core Rule Set over requests, with Coraza. It scores; what
// a score leads to is the rules' business. Responses are not looked at.
package waf

import (
	"fmt"
	"strconv"
	"strings"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/escape"
)

// BodyLimit is how much of a body is looked at. The rule set takes a tenth of a second
// of processor time for a form of this size, and more than a second for the 128 KiB that
// Cloudflare looks at at most (see BenchmarkJudgeLargest): whoever can send such
// requests could stop the edge with a few of them.
const BodyLimit = 16 << 10

// Settings choose what of the Core Rule Set runs.
type Settings struct {
	Paranoia int    // 1 to 4
	Disabled string // ids of rules that are left out, with spaces between
}

// Rules is a compiled rule set, safe for concurrent use. Compiling takes some tenths of
// a second.
type Rules struct{ waf coraza.WAF }

// setup is what the rule set expects to be decided before it: how bodies are read (the
// recommended configuration of Coraza), which methods an application takes. Nothing is
// blocked here, so the engine only detects.
const setup = `
SecRuleEngine DetectionOnly
SecAuditEngine Off
SecRequestBodyAccess On
SecRequestBodyLimit %[1]d
SecRequestBodyInMemoryLimit %[1]d
SecRequestBodyLimitAction ProcessPartial
SecResponseBodyAccess Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z0-9.-]+[+])?json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=%[2]d,setvar:tx.detection_paranoia_level=%[2]d"
SecAction "id:900200,phase:1,pass,t:none,nolog,setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'"
SecAction "id:900990,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250"
Include @owasp_crs/REQUEST-9*.conf
`

// New compiles the rule set.
func New(s Settings) (*Rules, error) {
	text := fmt.Sprintf(setup, BodyLimit, s.Paranoia)
	if s.Disabled != "" {
		text += "SecRuleRemoveById " + s.Disabled + "\n"
	}
	w, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(text))
	if err != nil {
		return nil, fmt.Errorf("the Core Rule Set: %w", err)
	}
	return &Rules{w}, nil
}

// Judge scores a request.
func (w *Rules) Judge(r *rules.Request, b rules.Body) rules.Score {
	tx := w.waf.NewTransaction()
	defer tx.Close() //nolint:errcheck // its files are temporary
	tx.ProcessConnection(r.IP.String(), 0, r.ServerIP.String(), int(r.Port))
	tx.ProcessURI(string(r.Target), string(r.Method), string(r.Version))
	host := string(r.Host)
	named := false
	for i := range r.Headers.Len() {
		name, value := r.Headers.At(i)
		if strings.EqualFold(string(name), "Expect") {
			continue // the rule set refuses it; here the edge has answered it
		}
		named = named || strings.EqualFold(string(name), "Host")
		tx.AddRequestHeader(string(name), string(value))
	}
	if !named { // HTTP/2 and later name it elsewhere
		tx.AddRequestHeader("Host", host)
	}
	tx.SetServerName(host)
	tx.ProcessRequestHeaders()
	if len(b.Bytes) > 0 {
		// What its reader makes of a body that cannot be read is a matter of the rules.
		_, _, _ = tx.WriteRequestBody(b.Bytes)
	}
	_, _ = tx.ProcessRequestBody()
	return scoreOf(tx)
}

// maxMessage bounds what is told of a rule.
const maxMessage = 200

// scoreOf reads the score that the rule set has added up, and the gravest rule.
func scoreOf(tx types.Transaction) rules.Score {
	var out rules.Score
	if state, ok := tx.(plugintypes.TransactionState); ok {
		for _, s := range state.Variables().TX().Get("blocking_inbound_anomaly_score") {
			out.Total, _ = strconv.Atoi(s) // the rule set's own sum
		}
	}
	gravest := types.RuleSeverity(-1)
	for _, m := range tx.MatchedRules() {
		r := m.Rule()
		if m.Message() == "" || r.ID() < firstRule || r.ID() > lastRule {
			continue
		}
		out.Count++
		if gravest < 0 || r.Severity() < gravest {
			gravest = r.Severity()
			out.Rule, out.What = strconv.Itoa(r.ID()), escape.Line(m.Message(), maxMessage)
		}
	}
	return out
}

// Rules that judge; those around them only prepare and add up.
const (
	firstRule = 911000
	lastRule  = 948999
)
