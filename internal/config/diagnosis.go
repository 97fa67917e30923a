package config

import "time"

// Diagnosis says when a burst of failures starts a diagnosis.
type Diagnosis struct {
	On       bool
	Failures int // within Window
	Window   time.Duration
	Gap      time.Duration // between two diagnoses of a zone, at least
}

// maxFailures bounds what is remembered of a zone's failures.
const maxFailures = 1000

// Diagnoses begin at ten failures a minute, and the next one a quarter of an hour
// later: a number that a healthy site does not reach, and an owner can read.
func defaultDiagnosis() Diagnosis {
	return Diagnosis{On: true, Failures: 10, Window: time.Minute, Gap: 15 * time.Minute}
}

// Shortest and longest times between failures that belong together, and between diagnoses.
const (
	minWindow, maxWindow = time.Second, time.Hour
	minGap, maxGap       = time.Minute, 7 * 24 * time.Hour
)

// diagnosis reads when to diagnose; more are keys of one place only.
func (v value) diagnosis(base Diagnosis, more ...key) Diagnosis {
	d := base
	d.On = true
	v.object(append(more,
		key{"enabled", func(v value) {
			on, ok := v.flag()
			d.On = on || !ok
		}},
		key{"failures", func(v value) {
			if n, ok := v.integer(1, maxFailures); ok {
				d.Failures = n
			}
		}},
		key{"window", func(v value) {
			if x, ok := v.duration(minWindow, maxWindow); ok {
				d.Window = x
			}
		}},
		key{"gap", func(v value) {
			if x, ok := v.duration(minGap, maxGap); ok {
				d.Gap = x
			}
		}},
	)...)
	return d
}

// Bounds of the diagnoses that are kept.
const (
	defaultKept = 50
	maxKept     = 10_000
)

// diagnoses reads what holds for all zones.
func (v value) diagnoses(c *Config) {
	c.DiagnosesKept = defaultKept
	c.Diagnosis = v.diagnosis(defaultDiagnosis(), key{"keep", func(v value) {
		if n, ok := v.integer(1, maxKept); ok {
			c.DiagnosesKept = n
		}
	}})
}
