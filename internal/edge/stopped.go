package edge

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/challenge"
	"github.com/originward/originward/internal/edge/errorpage"
	"github.com/originward/originward/internal/edge/rules"
)

// deniedBy is the error number of a block by its source (1xxx codes: 1006 an
// address, 1010 a client, 1011 a hotlink, 1015 a rate limit, 1020 a rule).
var deniedBy = map[rules.Source]int{
	rules.FromAccess: 1006, rules.FromCustom: 1020, rules.FromRateLimit: 1015, rules.FromAgent: 1010, rules.FromHotlink: 1011,
	rules.FromManaged: 1020,
}

// denied says in Proxy-Status that a rule answered and no origin was asked.
var denied = [2]string{"Proxy-Status", "originward; error=" + string(originward.HTTPRequestDenied) + "; phase=rules"}

// stop answers what a rule decided.
func (v *visit) stop(d rules.Decision) {
	if d.Action.Challenges() {
		v.challenge(d)
		return
	}
	number := deniedBy[d.Source]
	retry := 0
	if d.RateLimit() {
		retry = max(1, int(d.RetryAfter.Seconds()+0.999))
	}
	if d.Response == nil || d.Response.Body == "" && d.Response.Status == errorpage.Status(number) {
		v.page(number, retry, denied)
		return
	}
	v.errCode = number
	code := d.Response.Status
	if code == 0 {
		code = errorpage.Status(number)
	}
	v.answered(code, nil, number)
	fields := [][2]string{{"Content-Type", d.Response.ContentType}, {"Cache-Control", "private, no-store"}, denied}
	if retry > 0 {
		fields = append(fields, [2]string{"Retry-After", strconv.Itoa(retry)})
	}
	v.reply(code, []byte(d.Response.Body), fields...)
}

// challenge answers with a page that does a proof of work and comes back. Clients
// that do not ask for pages get the refusal in their own form.
func (v *visit) challenge(d rules.Decision) {
	mitigated := [2]string{"Cf-Mitigated", "challenge"}
	if !errorpage.WantsHTML(v.accept()) {
		v.page(1020, 0, denied, mitigated)
		return
	}
	v.errCode = 1020
	v.answered(403, nil, 1020)
	token := v.edge.guard.keeper.Token(v.visitorOf(v.zone.Name), v.began)
	fields := [][2]string{
		{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "private, no-store"}, {"Referrer-Policy", "same-origin"},
		{"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "SAMEORIGIN"}, denied, mitigated,
	}
	id := "managed_challenge"
	if d.Source == rules.FromAccess && strings.HasPrefix(d.Expression, "ip.src.country") {
		id = "country_challenge"
	}
	if own := v.ownPage(id); own != "" {
		v.reply(403, v.fill(own, challenge.Box(token)), fields...)
		return
	}
	fields = append(fields, [2]string{"Content-Security-Policy", challenge.Policy()})
	v.reply(403, challenge.Page(string(v.host), v.ray.String(), token), fields...)
}

// challengeAnswer takes a solution, gives the clearance and leads back.
func (v *visit) challengeAnswer() {
	zone, _ := v.st.routes.find(v.host)
	q, err := url.ParseQuery(string(v.query))
	if zone == nil || err != nil {
		v.refuse(400)
		return
	}
	who, keeper := v.visitorOf(zone.Name), v.edge.guard.keeper
	to := q.Get("to")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		to = "/"
	}
	back := [][2]string{{"Location", to}, {"Cache-Control", "private, no-store"}}
	if keeper.Solved(q.Get("t"), q.Get("a"), who, v.began) {
		c := challenge.CookieName + "=" + keeper.Clearance(who, v.began) + "; Path=/; Max-Age=" +
			strconv.Itoa(int(challenge.Lifetime.Seconds())) + "; HttpOnly; SameSite=Lax"
		if v.conn.https {
			c += "; Secure"
		}
		back = append(back, [2]string{"Set-Cookie", c})
	}
	// Without a clearance the page is challenged again.
	v.reply(302, nil, back...)
}
