package edge

import (
	"github.com/originward/originward"
)

// badRequest answers what is no valid request with its page, and says in
// Proxy-Status that the request is at fault.
func (v *visit) badRequest(number int, err error) {
	v.fault = &originward.Fault{Phase: originward.PhaseRequest, Type: originward.HTTPRequestError, Err: err}
	v.page(number, 0, [2]string{"Proxy-Status", v.proxyStatus(v.fault)})
}
