package report

import (
	"io"

	"github.com/originward/originward"
)

// SARIF 2.1.0, as much of it as code hosts read: one result per named or
// possible finding, located at the file and line that it is about.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string    `json:"id"`
	Short sarifText `json:"shortDescription"`
	Help  sarifText `json:"help"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

// sarifLevels says how a standing reads in SARIF; a standing that is not
// listed gives no result.
var sarifLevels = map[originward.Standing]string{
	originward.Proved: "error", originward.Likely: "warning", originward.Possible: "note",
}

// SARIF writes the findings for code hosts and CI.
func SARIF(w io.Writer, d *originward.Diagnosis, version string) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "originward", Version: version, Rules: []sarifRule{}}},
		Results: []sarifResult{},
	}
	seen := map[originward.CauseID]bool{}
	for _, f := range d.Findings {
		level, ok := sarifLevels[f.Standing]
		if !ok || f.Cause == originward.Healthy || f.Cause == originward.Undetermined {
			continue
		}
		if !seen[f.Cause] {
			seen[f.Cause] = true
			help := line(f.Title)
			if f.Fix != nil {
				help = line(f.Fix.Summary)
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{string(f.Cause), sarifText{line(f.Title)}, sarifText{help}})
		}
		text := line(f.Title)
		if f.Why != "" {
			text += ": " + line(f.Why)
		}
		r := sarifResult{RuleID: string(f.Cause), Level: level, Message: sarifText{text}}
		if f.Subject.File != "" {
			loc := sarifPhysical{Artifact: sarifArtifact{URI: "file://" + f.Subject.File}}
			if f.Subject.Line > 0 {
				loc.Region = &sarifRegion{f.Subject.Line}
			}
			r.Locations = []sarifLocation{{loc}}
		}
		run.Results = append(run.Results, r)
	}
	return encode(w, sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}
