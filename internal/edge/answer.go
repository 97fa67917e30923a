package edge

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge/errorpage"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// answerHead is the head of an answer of the edge's own.
type answerHead struct {
	status int
	fields [][2]string // beside Date, Server, CF-Ray and Content-Length
}

// reply sends an answer of the edge's own.
func (v *visit) reply(status int, body []byte, fields ...[2]string) {
	v.status = status
	fields = v.edit(fields)
	if err := v.out.own(&answerHead{status: status, fields: fields}, body); err != nil {
		v.cut = true
	}
}

// page answers with the page of an error number.
func (v *visit) page(number, retryAfter int, extra ...[2]string) {
	v.errCode = number
	if v.customPage(number, retryAfter, extra) {
		return
	}
	r := errorpage.Render(v.errorPage(number, retryAfter), v.accept())
	fields := append([][2]string{{"Content-Type", r.ContentType}}, r.Header()...)
	v.reply(r.Status, r.Body, append(fields, extra...)...)
}

// errorPage is what a page of an error number is about.
func (v *visit) errorPage(number, retryAfter int) errorpage.Page {
	p := errorpage.Page{
		Code: number, Host: string(v.authority), Ray: string(v.rayID[:16]), Colo: v.st.cfg.Colo,
		Address: v.conn.text, Time: v.began, RetryAfter: retryAfter, Languages: v.languages(),
	}
	if f := v.fault; f != nil {
		p.Fault, p.Phase, p.Details = string(f.Type), string(f.Phase), publicDetails(v.faultFact(f))
	}
	return p
}

// languages is the visitor's Accept-Language.
func (v *visit) languages() string {
	if v.head == nil {
		return ""
	}
	return string(v.head.GetID(http1.FieldAcceptLanguage))
}

func (v *visit) accept() string {
	if v.head == nil {
		return ""
	}
	var all []string
	for a := range v.head.Values("Accept") {
		all = append(all, string(a))
	}
	return strings.Join(all, ",")
}

// refuse answers a request that goes nowhere by its own fault.
func (v *visit) refuse(number int) { v.page(number, 0) }

// statusLeft is recorded when the visitor left before its answer; nobody is sent it (nginx's number).
const statusLeft = 499

// fail answers a fault with its documented code.
func (v *visit) fail(f *originward.Fault) {
	if errors.Is(f.Err, context.Canceled) && v.ctx.Err() != nil {
		// Nothing has failed: what would have come is not known.
		v.fault, v.faultAs = nil, nil
		v.cut, v.status, v.left = true, statusLeft, f.Phase
		return
	}
	v.fault = f
	if v.covered(f) {
		return
	}
	number := f.Code().Error
	if f.Phase == originward.PhaseRequest && f.Type == originward.HTTPRequestError {
		if number = parseStatus(f.Err); number == 0 {
			// The visitor's own connection failed: there is nobody to answer.
			v.cut, v.status = true, 400
			return
		}
	}
	var p *prohibitedError
	if errors.As(f.Err, &p) {
		number = p.code
	}
	v.page(number, 0, [2]string{"Proxy-Status", v.proxyStatus(f)})
}

// proxyStatus is the RFC 9209 member for a fault. Its details name what the peer
// did, never the origin's address: an edge keeps that from visitors.
func (v *visit) proxyStatus(f *originward.Fault) string {
	var b strings.Builder
	b.WriteString("originward; error=" + string(f.Type))
	if f.Phase != "" {
		b.WriteString("; phase=" + string(f.Phase))
	}
	x := v.faultFact(f)
	if x.Alert > 0 {
		b.WriteString("; alert-id=" + strconv.Itoa(x.Alert-1000))
		if x.AlertName != "" {
			b.WriteString(`; alert-message="` + x.AlertName + `"`)
		}
	}
	if d := publicDetails(x); d != "" {
		b.WriteString(`; details="` + d + `"`)
	}
	return b.String()
}

// publicDetails are words from closed lists only.
func publicDetails(x *fact.Fault) string {
	var words []string
	for _, w := range []string{x.Errno, x.Kind} {
		if w != "" {
			words = append(words, w)
		}
	}
	for _, r := range x.Reasons {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}

func (v *visit) faultFact(f *originward.Fault) *fact.Fault {
	if v.faultAs == nil {
		v.faultAs = exchange.FactOf(f, v.trace.Elapsed(), 0)
	}
	return v.faultAs
}

// redirect sends the visitor to the other scheme, on its default port.
func (v *visit) redirect(scheme string) {
	target := string(v.target)
	if !strings.HasPrefix(target, "/") {
		target = "/"
	}
	v.reply(301, nil, [2]string{"Location", scheme + string(v.host) + target}, [2]string{"Cache-Control", "max-age=3600"})
}
