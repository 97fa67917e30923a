package config

import (
	"strings"
	"testing"
	"time"
)

func TestDiagnosis(t *testing.T) {
	parse := func(text string) (*Config, error) {
		return Loader{}.Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:80']}\n"+text))
	}
	c, err := parse("zones: [{name: a.example, diagnosis: {failures: 3}}, {name: b.example}]")
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Zones[0].Diagnosis; c.Diagnosis.On || c.Zones[1].Diagnosis != nil || d == nil || *d != (Diagnosis{On: true, Failures: 3, Window: time.Minute, Gap: 15 * time.Minute}) {
		t.Errorf("a zone's own: %+v, all: %+v", d, c.Diagnosis)
	}
	// Zones begin with what holds for all, wherever in the file that stands.
	if c, err = parse("zones: [{name: a.example, diagnosis: {enabled: false}}]\ndiagnosis: {failures: 5, window: 10s, gap: 1m, keep: 7}"); err != nil {
		t.Fatal(err)
	}
	if d := c.Zones[0].Diagnosis; !c.Diagnosis.On || c.DiagnosesKept != 7 || d.On || d.Failures != 5 || d.Gap != time.Minute || c.Diagnosis.Window != 10*time.Second {
		t.Errorf("a zone's: %+v, all: %+v", d, c.Diagnosis)
	}
	for text, want := range map[string]string{
		"{failures: 0}": "1 to 1000", "{window: 0s}": "out of range", "{gap: 10s}": "out of range", "{keep: 0}": "1 to 10000", "{threshold: 3}": "unknown key",
	} {
		if _, err := parse("diagnosis: " + text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := parse("zones: [{name: a.example, diagnosis: {keep: 3}}]"); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("keep for a zone: %v", err)
	}
}
