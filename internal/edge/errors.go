package edge

import (
	"bytes"
	"html"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/edge/errorpage"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// answered tells the rules what the visitor is about to get: it is counted, and the
// changes of its header are worked out. head is nil for the edge's own errors.
func (v *visit) answered(status int, head *http1.Head, number int) {
	if v.zone == nil {
		return
	}
	set := &v.zone.rules
	if len(set.ResponseHeaders) == 0 && len(set.Errors) == 0 && v.ruling.caching.BrowserTTL == nil && !set.CountsResponses() {
		return
	}
	v.describe()
	v.response = rules.Reply{Status: status, Error: number, Challenge: v.challenged, Kept: v.cache.status == "HIT" || v.cache.status == "UPDATING"}
	if head != nil {
		v.response.Headers = fields{head}
	}
	v.rule.Response = &v.response
	if !v.counted && !security(number) {
		v.counted = true // an answer that breaks before it begins is followed by another
		set.Count(&v.rule, v.edge.limiter, v.began)
	}
	v.toVisitor.Reset()
	if ttl := v.ruling.caching.BrowserTTL; ttl != nil && number == 0 {
		v.toVisitor.Set("Cache-Control", "max-age="+strconv.Itoa(int(ttl.Seconds())))
		v.toVisitor.Remove("Expires")
	}
	set.EditResponse(&v.rule, &v.toVisitor)
}

// edit applies the rules' changes to the fields of an answer of the edge's own.
func (v *visit) edit(fields [][2]string) [][2]string {
	if v.toVisitor.Empty() {
		return fields
	}
	kept := make([][2]string, 0, len(fields)+len(v.toVisitor.Add))
	for _, f := range fields {
		if !v.toVisitor.Drops([]byte(f[0])) {
			kept = append(kept, f)
		}
	}
	return append(kept, v.toVisitor.Add...)
}

// replaced answers an origin's error with the text that a custom error rule has for
// it. The origin's fields stay but for those of its body (custom-errors).
func (v *visit) replaced(c *exchange.Conn, h *http1.ResponseHead) bool {
	if h.Status < 400 || v.zone == nil || len(v.zone.rules.Errors) == 0 {
		return false
	}
	rule := v.zone.rules.ServedError(&v.rule)
	if rule == nil {
		return false
	}
	var kept [][2]string
	for i := range h.Fields {
		f := &h.Fields[i]
		switch {
		case f.Hop || dropped(f.ID) || recoded(f.ID) || v.toVisitor.Drops(f.Name):
		case f.ID == http1.FieldContentType || f.ID == http1.FieldDate || f.ID == http1.FieldContentRange || f.ID == http1.FieldLastModified:
		default:
			kept = append(kept, [2]string{string(f.Name), string(f.Value)})
		}
	}
	v.upload.drop(v.interrupt)
	_ = c.Close() // its body is not wanted
	v.serveError(rule, h.Status, kept)
	return true
}

// serveError sends a custom error.
func (v *visit) serveError(rule *rules.ErrorRule, status int, fields [][2]string) {
	if rule.Response.Status != 0 {
		status = rule.Response.Status
	}
	v.ruleID = rule.ID
	fields = append([][2]string{{"Content-Type", textType(rule.Response.ContentType)}}, fields...)
	v.reply(status, v.fill(rule.Response.Body, ""), fields...)
}

func textType(t string) string {
	if strings.HasPrefix(t, "text/") && !strings.Contains(t, "charset") {
		return t + "; charset=utf-8"
	}
	return t
}

// security tells the numbers of pages that a rule's decision is told with: custom
// error rules do not concern them (custom-errors).
func security(number int) bool {
	switch number {
	case 1005, 1006, 1009, 1010, 1011, 1012, 1015, 1020:
		return true
	}
	return false
}

// customPage answers an error of the edge's with a custom error rule, or with a page
// of the owner's; false when there is neither. The order is the documented one:
// rules before pages, the zone's before those of all zones.
func (v *visit) customPage(number, retryAfter int, extra [][2]string) bool {
	if v.zone == nil {
		return false
	}
	status := errorpage.Status(number)
	v.answered(status, nil, number)
	if !security(number) && len(v.zone.rules.Errors) > 0 {
		if rule := v.zone.rules.ServedError(&v.rule); rule != nil {
			v.serveError(rule, status, extra)
			return true
		}
	}
	own := v.ownPage(pageID(number))
	if own == "" {
		return false
	}
	box, retry := errorpage.Box(v.errorPage(number, retryAfter))
	fields := append([][2]string{{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "private, no-store"}}, extra...)
	if retry > 0 {
		fields = append(fields, [2]string{"Retry-After", strconv.Itoa(retry)})
	}
	v.reply(status, v.fill(own, box), fields...)
	return true
}

// pageID is the kind of page that an error number is shown with (error-page-types).
// Pages of one's own never replace 500, 501, 503 and 505.
func pageID(number int) string {
	switch number {
	case 1020, 1010, 1011:
		return "waf_block"
	case 1005, 1006, 1009:
		return "ip_block"
	case 1015:
		return "ratelimit_block"
	case 500, 501, 503, 505:
		return ""
	}
	switch {
	case number >= 1000:
		return "1000_errors"
	case number >= 500:
		return "500_errors"
	}
	return ""
}

// ownPage is the owner's page of a kind, empty for none. A request that has no
// Accept-Encoding gets the default (custom-errors).
func (v *visit) ownPage(id string) string {
	if id == "" || v.zone == nil || v.head == nil || v.head.GetID(http1.FieldAcceptEncoding) == nil {
		return ""
	}
	if p := v.zone.ErrorPages[id]; p != "" {
		return p
	}
	return v.st.cfg.ErrorPages[id]
}

// boxTokens are replaced by what the page is about (error-tokens).
var boxTokens = []string{
	"::CLOUDFLARE_ERROR_500S_BOX::", "::CLOUDFLARE_ERROR_1000S_BOX::", "::IM_UNDER_ATTACK_BOX::", "::CF_WIDGET_BOX::", "::CAPTCHA_BOX::",
}

// fill puts the visitor's words in the place of tokens.
func (v *visit) fill(page, box string) []byte {
	if !strings.Contains(page, "::") {
		return []byte(page)
	}
	place := "XX"
	if v.zone != nil {
		v.describe()
		if c := v.rule.Where().Country; c != "" {
			place = c
		}
	}
	pairs := []string{"::CLIENT_IP::", v.conn.text, "::RAY_ID::", v.ray.String(), "::GEO::", html.EscapeString(place)}
	for _, t := range boxTokens {
		pairs = append(pairs, t, box)
	}
	var b bytes.Buffer
	_, _ = strings.NewReplacer(pairs...).WriteString(&b, page) // a buffer never fails
	return b.Bytes()
}
