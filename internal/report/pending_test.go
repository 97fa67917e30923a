package report

import (
	"strings"
	"testing"

	"github.com/originward/originward"
)

// A code that an edge has not answered yet is never told as if it had.
func TestCodeToCome(t *testing.T) {
	d := sample()
	d.Edge = &originward.EdgeAnswer{Code: 522, Fault: originward.ConnectionTimeout, Pending: true, At: at}
	for _, f := range []Format{"text", "markdown", "html"} {
		if s := render(t, f, d); !strings.Contains(s, "522 to come") {
			t.Errorf("%s:\n%.600s", f, s)
		}
	}
	s := sheetOf(d, ForHost)
	if strings.Contains(s, "answers 522") || !strings.Contains(s, "(522 to come)") || !strings.Contains(s, "once the edge gives up") {
		t.Errorf("%.900s", s)
	}
	if err := validate(t, schema(t, "diagnosis.json"), render(t, "json", d)); err != nil {
		t.Error(err)
	}
}
