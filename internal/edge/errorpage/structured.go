package errorpage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// problem is the flat JSON form: the members of RFC 9457, then extensions.
// Only error_name and error_category are stable.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	extensions
	Do     string `json:"what_you_should_do"`
	Footer string `json:"footer"`
}

type extensions struct {
	ErrorCode     int    `json:"error_code"`
	ErrorName     string `json:"error_name"`
	ErrorCategory string `json:"error_category"`
	RayID         string `json:"ray_id"`
	Timestamp     string `json:"timestamp"`
	Zone          string `json:"zone"` // the host name asked for
	EdgeError     bool   `json:"edge_error"`
	Retryable     bool   `json:"retryable"`
	RetryAfter    int    `json:"retry_after,omitempty"`
	OwnerAction   bool   `json:"owner_action_required"`
	// What the edge met, in words of closed lists, as Proxy-Status says it.
	Fault   string `json:"fault_type,omitempty"`
	Phase   string `json:"fault_phase,omitempty"`
	Details string `json:"fault_details,omitempty"`
}

func (v *view) extensions() extensions {
	return extensions{
		ErrorCode: v.number, ErrorName: v.name, ErrorCategory: v.category,
		RayID: v.Ray, Timestamp: v.Time.Format(time.RFC3339), Zone: v.Host, EdgeError: true,
		Retryable: v.Retry > 0, RetryAfter: v.Retry, OwnerAction: v.owner,
		Fault: v.Fault, Phase: v.Phase, Details: v.Details,
	}
}

func (v *view) heading() string { return fmt.Sprintf("%s %d: %s", v.UI["error"], v.number, v.Title) }

func (v *view) json() []byte {
	var do strings.Builder
	v.advice(&do, "**", "**")
	p := problem{
		Type: v.Docs, Title: v.heading(), Status: v.status, Detail: v.Happened, Instance: v.Ray,
		extensions: v.extensions(),
		Do:         strings.TrimSpace(do.String()),
		Footer:     v.UI["footer"],
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		panic(err) // strings, numbers and booleans only
	}
	return b.Bytes()
}

// advice writes the two lists as Markdown.
func (v *view) advice(b *strings.Builder, open, end string) {
	for _, part := range []struct {
		title string
		items []string
	}{{v.UI["visitor"], v.Visitor}, {v.UI["owner"], v.Owner}} {
		fmt.Fprintf(b, "%s%s%s\n\n", open, part.title, end)
		for _, item := range part.items {
			fmt.Fprintf(b, "- %s\n", item)
		}
		b.WriteString("\n")
	}
}

func (v *view) markdown() []byte {
	var b strings.Builder
	x := v.extensions()
	b.WriteString("---\n")
	line := func(k, val string) { fmt.Fprintf(&b, "%s: %s\n", k, val) }
	line("status", strconv.Itoa(v.status))
	line("error_code", strconv.Itoa(x.ErrorCode))
	line("error_name", x.ErrorName)
	line("error_category", x.ErrorCategory)
	line("ray_id", quote(x.RayID))
	line("timestamp", quote(x.Timestamp))
	line("zone", quote(x.Zone))
	line("edge_error", "true")
	line("retryable", strconv.FormatBool(x.Retryable))
	if x.RetryAfter > 0 {
		line("retry_after", strconv.Itoa(x.RetryAfter))
	}
	line("owner_action_required", strconv.FormatBool(x.OwnerAction))
	for _, f := range [][2]string{{"fault_type", x.Fault}, {"fault_phase", x.Phase}, {"fault_details", x.Details}} {
		if f[1] != "" {
			line(f[0], quote(f[1]))
		}
	}
	b.WriteString("---\n\n")
	fmt.Fprintf(&b, "# %s\n\n## %s\n\n%s\n\n## %s\n\n", v.heading(), v.UI["happened"], v.Happened, v.UI["do"])
	v.advice(&b, "### ", "")
	fmt.Fprintf(&b, "[%s](%s)\n\n---\n\n%s\n", v.UI["more"], v.Docs, v.UI["footer"])
	return []byte(b.String())
}

// quote is a YAML double-quoted scalar, which JSON's string form is too.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
