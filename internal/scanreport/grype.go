package scanreport

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// grypeReport is a report of Grype, as far as it is read.
type grypeReport struct {
	has              bool // whether there are matches, be it none
	matches, ignored []Finding
	Source           *struct {
		Type   string          `json:"type"`
		Target json.RawMessage `json:"target"`
	}
	Descriptor struct {
		Name      string `json:"name"`
		Timestamp string `json:"timestamp"`
	}
}

// grypeIgnored is a match that Grype was told to ignore.
type grypeIgnored struct {
	grypeMatch
	Rules []struct {
		Reason           string `json:"reason"`
		VEXStatus        string `json:"vex-status"`
		VEXJustification string `json:"vex-justification"`
	} `json:"appliedIgnoreRules"`
}

func (g *grypeReport) fields() map[string]reader {
	return map[string]reader{
		"matches":        present(&g.has, elements(func(m *grypeMatch) { g.matches = append(g.matches, m.finding()) })),
		"ignoredMatches": elements(func(m *grypeIgnored) { g.ignored = append(g.ignored, m.finding()) }),
		"source":         into(&g.Source), "descriptor": into(&g.Descriptor),
	}
}

type grypeMatch struct {
	Vulnerability struct {
		ID       string `json:"id"`
		Severity string `json:"severity"`
		Fix      struct {
			Versions  []string `json:"versions"`
			Available []struct {
				Date string `json:"date"`
			} `json:"available"`
		} `json:"fix"`
	} `json:"vulnerability"`
	Related []struct {
		ID string `json:"id"`
	} `json:"relatedVulnerabilities"`
	Artifact struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		PURL      string `json:"purl"`
		Locations []struct {
			Path string `json:"path"`
		} `json:"locations"`
	} `json:"artifact"`
}

// grypeImage is the source of a scan of an image. Of an SBOM, a directory or a file it is a text.
type grypeImage struct {
	UserInput    string   `json:"userInput"`
	Tags         []string `json:"tags"`
	RepoDigests  []string `json:"repoDigests"`
	Architecture string   `json:"architecture"`
}

func (g *grypeReport) report() ([]*Report, error) {
	r := &Report{Vulnerabilities: true, Artifact: "nothing that it names"}
	if g.Descriptor.Timestamp != "" {
		made, err := time.Parse(time.RFC3339, g.Descriptor.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("this is no report of Grype: descriptor.timestamp: %w", err)
		}
		r.Made = made
	}
	if err := g.source(r); err != nil {
		return nil, err
	}
	r.Findings = slices.Concat(g.matches, g.ignored)
	if r.OfFiles {
		for i := range r.Findings {
			r.Findings[i].Target = path.Join(unquoted(g.Source.Target), r.Findings[i].Path)
		}
	}
	return []*Report{r}, nil
}

// source says what was scanned.
func (g *grypeReport) source(r *Report) error {
	if g.Source == nil {
		return nil
	}
	if g.Source.Type != "image" {
		r.Artifact = g.Source.Type + " " + unquoted(g.Source.Target)
		r.OfFiles = g.Source.Type == "directory"
		return nil
	}
	var image grypeImage
	if err := json.Unmarshal(g.Source.Target, &image); err != nil {
		return fmt.Errorf("this is no report of Grype: source.target: %w", err)
	}
	r.Artifact = image.UserInput
	references := append(append([]string{}, image.Tags...), image.RepoDigests...)
	if !strings.Contains(image.UserInput, ".tar") {
		// docker:web:1.2 and the like name where it was read from.
		input := image.UserInput
		for _, scheme := range []string{"docker:", "podman:", "registry:", "containerd:"} {
			input = strings.TrimPrefix(input, scheme)
		}
		references = append(references, input)
	}
	if r.Image = imageOf(references...); r.Image != nil {
		r.Image.Architecture = image.Architecture
	}
	return nil
}

// finding is a match. Whether there is a fix is told by its versions: its state may be empty.
func (m *grypeMatch) finding() Finding {
	f := Finding{
		Kind: Vulnerability, ID: m.Vulnerability.ID, Severity: severityOf(m.Vulnerability.Severity),
		Package: m.Artifact.Name, Installed: m.Artifact.Version, PURL: m.Artifact.PURL,
		Fixed: strings.Join(m.Vulnerability.Fix.Versions, ", "),
	}
	for _, related := range m.Related {
		f.Aliases = append(f.Aliases, related.ID)
	}
	if len(m.Artifact.Locations) > 0 {
		f.Path = m.Artifact.Locations[0].Path
	}
	for _, available := range m.Vulnerability.Fix.Available {
		date, err := time.Parse(time.DateOnly, available.Date)
		if err == nil && (f.FixedSince.IsZero() || date.Before(f.FixedSince)) {
			f.FixedSince = date
		}
	}
	return f
}

// finding is a match that does not count.
func (m *grypeIgnored) finding() Finding {
	f := m.grypeMatch.finding()
	f.Suppressed = "Grype was told to ignore it"
	if len(m.Rules) > 0 {
		rule := m.Rules[0]
		if words := strings.Join(nonEmpty(rule.Reason, rule.VEXStatus, rule.VEXJustification), ", "); words != "" {
			f.Suppressed += ": " + words
		}
	}
	return f
}
