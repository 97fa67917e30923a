package config

import (
	"strings"
	"testing"
)

func TestTracing(t *testing.T) {
	parse := func(text string) (*Config, error) {
		return Loader{}.Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:80']}\n"+text))
	}
	c, err := parse("tracing: {endpoint: 'https://collector.example', sample: 0.5, trust: [192.0.2.1, '2001:db8::/32'], headers: {X-Key: v}}")
	if err != nil {
		t.Fatal(err)
	}
	if x := c.Tracing; x.Endpoint != "https://collector.example/v1/traces" || x.Sample != 0.5 || len(x.Trust) != 2 || x.Trust[0].Bits() != 32 || x.Headers["X-Key"] != "v" {
		t.Errorf("read as %+v", x)
	}
	if c, err = parse("tracing: {endpoint: 'http://c.example:4318/otlp/v1/traces'}"); err != nil || c.Tracing.Endpoint != "http://c.example:4318/otlp/v1/traces" || c.Tracing.Sample != 0.01 {
		t.Errorf("read as %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"{sample: 1}":                                           "no collector",
		"{endpoint: 'grpc://c:4317'}":                           "not the URL of a collector",
		"{endpoint: 'http://u:p@c'}":                            "not the URL of a collector",
		"{endpoint: 'http://c', sample: 2}":                     "0 to 1",
		"{endpoint: 'http://c', trust: [here]}":                 "neither an address nor a network",
		"{endpoint: 'http://c', trust: [192.0.2.1/24]}":         "neither an address nor a network",
		"{endpoint: 'http://c', headers: {'a b': c}}":           "not a header field",
		"{endpoint: 'http://c', headers: {a: \"b\\r\\nc: d\"}}": "not a header field",
	} {
		if _, err := parse("tracing: " + text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "edge.yaml:2") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// An address that serves the metrics to everybody is warned of.
func TestMetricsAddress(t *testing.T) {
	for addr, warned := range map[string]bool{"127.0.0.1:8522": false, "10.0.0.1:8522": false, "'[::1]:8522'": false, "198.51.100.1:8522": true, "':8522'": true} {
		c, err := Loader{}.Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:80'], metrics: "+addr+"}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(c.Warnings) > 0; got != warned {
			t.Errorf("%s: warnings %v", addr, c.Warnings)
		}
	}
}
