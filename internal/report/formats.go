package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward"
)

// Format names one form of a report.
type Format string

// formats is the list of forms; one line adds one.
var formats = []struct {
	name  Format
	write func(io.Writer, *originward.Diagnosis, Options) error
}{
	{"text", func(w io.Writer, d *originward.Diagnosis, o Options) error { return Text(w, d, o.Text) }},
	{"json", func(w io.Writer, d *originward.Diagnosis, _ Options) error { return JSON(w, d) }},
	{"markdown", func(w io.Writer, d *originward.Diagnosis, _ Options) error { return Markdown(w, d) }},
	{"html", func(w io.Writer, d *originward.Diagnosis, _ Options) error { return HTML(w, d) }},
	{"junit", func(w io.Writer, d *originward.Diagnosis, _ Options) error { return JUnit(w, d) }},
	{"sarif", func(w io.Writer, d *originward.Diagnosis, o Options) error { return SARIF(w, d, o.Version) }},
}

// Options say how a report is written; each form takes what concerns it.
type Options struct {
	Text    TextOptions
	Version string
}

// Formats lists the names of all forms.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, string(f.name))
	}
	return names
}

// ParseFormat reads the name of a form.
func ParseFormat(s string) (Format, error) {
	for _, f := range formats {
		if string(f.name) == s {
			return f.name, nil
		}
	}
	return "", fmt.Errorf("format %q: allowed are %s", s, strings.Join(Formats(), ", "))
}

// Write writes the diagnosis in the given form.
func Write(w io.Writer, d *originward.Diagnosis, f Format, o Options) error {
	for _, k := range formats {
		if k.name == f {
			return k.write(w, d, o)
		}
	}
	return fmt.Errorf("format %q: allowed are %s", f, strings.Join(Formats(), ", "))
}
