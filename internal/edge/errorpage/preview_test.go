package errorpage

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestPreview writes every page into the folder that ERRORPAGE_PREVIEW names, to
// be looked at in a browser.
func TestPreview(t *testing.T) {
	dir := os.Getenv("ERRORPAGE_PREVIEW")
	if dir == "" {
		t.Skip("ERRORPAGE_PREVIEW is not set: nothing to write")
	}
	for _, c := range codes {
		r := Render(sample(c.number), "text/html")
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(c.number)+".html"), r.Body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func sample(number int) Page {
	return Page{
		Code: number, Host: "shop.example", Ray: "230b030023ae2822", Colo: "LAB", Address: "192.0.2.44",
		Time: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
	}
}
