package edge

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/edge/waf"
	"github.com/originward/originward/internal/http1"
)

// held is a request's body whose beginning has been read for inspection.
type held struct {
	source
	begin []byte
	err   error // with which reading ended early
	done  bool  // nothing follows begin
}

// WriteTo writes what was held back and then what follows.
func (h *held) WriteTo(w io.Writer) (int64, error) {
	p := h.begin
	h.begin = nil
	if len(p) > 0 {
		if n, err := w.Write(p); err != nil {
			return int64(n), &http1.WriteError{Written: int64(n), Err: err}
		}
	}
	if h.done || h.err != nil {
		return int64(len(p)), h.err
	}
	n, err := h.source.WriteTo(w)
	return int64(len(p)) + n, err
}

var errEnough = errors.New("enough of the body is there")

// Buffered is what was held back.
func (h *held) Buffered() []byte { return h.begin }

// Discard consumes the first n bytes of it.
func (h *held) Discard(n int) { h.begin = h.begin[n:] }

// Done tells that nothing is left.
func (h *held) Done() bool { return h.done && len(h.begin) == 0 }

// Write takes all it is given: what has been consumed must not be lost.
func (h *held) Write(p []byte) (int, error) {
	h.begin = append(h.begin, p...)
	if len(h.begin) >= waf.BodyLimit {
		return len(p), errEnough
	}
	return len(p), nil
}

// bodyStart reads as much of the body as is inspected. The visitor is told to send it
// when it waits for that, which then is not the origin's to say.
func (v *visit) bodyStart() rules.Body {
	h, ok := v.body.(*held)
	if !ok {
		h = &held{source: v.body}
		if v.body.Framing().Kind == http1.NoBody || v.upgrade != nil {
			return rules.Body{}
		}
		if v.expect {
			if err := v.out.interim(proceed); err != nil {
				h.err = err
			}
			v.expect = false
		}
		if h.err == nil {
			v.upload.v = v
			err := v.upload.copyTo(h)
			h.done = err == nil
			if err != nil && !errors.Is(err, errEnough) {
				h.err = err
			}
			v.upload.read = 0
		}
		v.body = h
	}
	return rules.Body{Bytes: h.begin[:min(len(h.begin), waf.BodyLimit)], Cut: !h.done}
}

// managed compiles a rule of the phase http_request_firewall_managed. Rule sets of the
// same settings are compiled once.
func (c *compiler) managed(phase string, r config.ManagedRule) rules.Managed {
	r.Action = r.Verdict
	out := rules.Managed{Head: c.head(phase, r.Rule, false), Paranoia: r.Paranoia, Threshold: r.Threshold, Disabled: r.Disabled}
	s := waf.Settings{Paranoia: r.Paranoia, Disabled: strings.Trim(fmt.Sprint(r.Disabled), "[]")}
	set := cmp.Or(c.judges[s], c.lent[s])
	if set == nil {
		var err error
		if set, err = waf.New(s); err != nil {
			c.failed(r.Line, err)
			return out
		}
	}
	c.judges[s], out.Judge = set, set
	return out
}
