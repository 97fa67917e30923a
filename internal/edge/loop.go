package edge

import (
	"bytes"
	"errors"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// cdnToken is this kind of edge in CDN-Loop (RFC 8586); each edge adds its own id
// as a parameter.
const cdnToken = "originward"

// Bounds of a request's way through edges. A request that carries this very edge's
// id has been here before. A chain of different edges is allowed, but not without
// end: the number is not documented, 8 is more than any sensible chain has.
const maxEdges = 8

// forwardedMax is the length of X-Forwarded-For beyond which a request that
// already passed a CDN is taken for a loop (cloudflare 1xxx error-1000).
const forwardedMax = 100

var (
	errLoop     = errors.New("CDN-Loop shows that this request has passed this edge before")
	errChain    = errors.New("CDN-Loop shows that this request has passed too many edges")
	errCarried  = errors.New("the request already carries CF-Connecting-IP")
	errTwice    = errors.New("the request has passed a CDN and carries more than one X-Forwarded-For")
	errLongList = errors.New("the request has passed a CDN and carries an X-Forwarded-For of more than 100 characters")
)

// looped refuses a request that has been at this edge before (1000).
func (v *visit) looped() bool {
	err := v.loopSign()
	if err == nil {
		return false
	}
	v.fail(&originward.Fault{Phase: originward.PhaseRequest, Type: originward.ProxyLoopDetected, Err: err})
	return true
}

func (v *visit) loopSign() error {
	edges, forwarded, longest := 0, 0, 0
	passed := false
	for i := range v.head.Fields {
		f := &v.head.Fields[i]
		switch f.ID {
		case http1.FieldCDNLoop:
			passed = true
			if bytes.Contains(f.Value, v.edge.loopID) {
				return errLoop
			}
			edges += bytes.Count(f.Value, []byte(cdnToken))
		case http1.FieldCFConnectingIP:
			return errCarried
		case http1.FieldXForwardedFor:
			forwarded++
			longest = max(longest, len(f.Value))
		}
	}
	switch {
	case edges >= maxEdges:
		return errChain
	case passed && forwarded > 1:
		return errTwice
	case passed && longest > forwardedMax:
		return errLongList
	}
	return nil
}
