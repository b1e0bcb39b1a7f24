package scanreport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

const openVEX = "https://openvex.dev/ns"

// vexDocument is a document of OpenVEX 0.2.0.
type vexDocument struct {
	context    json.RawMessage
	timestamp  time.Time
	statements []*Statement
}

func (v *vexDocument) fields() map[string]reader {
	return map[string]reader{
		"@context": into(&v.context), "timestamp": into(&v.timestamp),
		"statements": elements(func(s *Statement) { v.statements = append(v.statements, s) }),
	}
}

// Statement is what a statement of OpenVEX says of a vulnerability in some products.
type Statement struct {
	// File is the file that it is in.
	File          string `json:"-"`
	Vulnerability struct {
		ID      string   `json:"@id"`
		Name    string   `json:"name"`
		Aliases []string `json:"aliases"`
	} `json:"vulnerability"`
	Timestamp       time.Time `json:"timestamp"`
	Status          string    `json:"status"`
	Justification   string    `json:"justification"`
	ImpactStatement string    `json:"impact_statement"`
	Products        []struct {
		vexComponent
		Subcomponents []vexComponent `json:"subcomponents"`
	} `json:"products"`
}

type vexComponent struct {
	ID          string            `json:"@id"`
	Hashes      map[string]string `json:"hashes"`
	Identifiers map[string]string `json:"identifiers"`
}

func (v *vexDocument) contents(wrong map[string]error) (*Contents, error) {
	switch context := unquoted(v.context); {
	case context == openVEX+"/v0.2.0":
	case context == openVEX || strings.HasPrefix(context, openVEX+"/v0.0."):
		return nil, fmt.Errorf("this is OpenVEX before version 0.2.0, and 0.2.0 is read: merge it anew with vexctl")
	case strings.HasPrefix(context, openVEX):
		return nil, fmt.Errorf("this is OpenVEX of version %s, and v0.2.0 is read",
			strings.TrimPrefix(context, openVEX+"/"))
	default:
		return nil, fmt.Errorf("the format of this scan report is unknown, of @context %q; %s are read",
			context, readFormats)
	}
	if err := mistakeIn(wrong, v.fields()); err != nil {
		return nil, fmt.Errorf("this is no OpenVEX: %w", err)
	}
	contents := &Contents{Format: OpenVEX}
	for i, s := range v.statements {
		if err := s.valid(); err != nil {
			on := firstOf(s.Vulnerability.Name, s.Vulnerability.ID, "nothing")
			return nil, fmt.Errorf("this is no OpenVEX: statement %d, on %s: %w", i+1, on, err)
		}
		if s.Timestamp.IsZero() {
			s.Timestamp = v.timestamp
		}
		contents.Statements = append(contents.Statements, s)
	}
	return contents, nil
}

func (s *Statement) valid() error {
	switch {
	case s.Vulnerability.Name == "" && s.Vulnerability.ID == "":
		return fmt.Errorf("it names no vulnerability")
	case !slices.Contains([]string{"not_affected", "affected", "fixed", "under_investigation"}, s.Status):
		return fmt.Errorf("there is no status %q", s.Status)
	case s.Status == "not_affected" && s.Justification == "" && s.ImpactStatement == "":
		return fmt.Errorf("not_affected needs a justification or an impact_statement")
	}
	return nil
}

// sorted are statements in the order in which they hold: of two the later one, and without times
// the last one.
func sorted(statements []*Statement) []*Statement {
	all := slices.Clone(statements)
	slices.SortStableFunc(all, func(a, b *Statement) int { return a.Timestamp.Compare(b.Timestamp) })
	return all
}

// exempts says why statements have a finding not count; empty if they do not.
func exempts(statements []*Statement, image *Image, f *Finding) string {
	if f.Kind != Vulnerability {
		return ""
	}
	why := ""
	for _, s := range statements {
		if !s.about(f) || !s.covers(image, f) {
			continue
		}
		why = ""
		if s.Status == "not_affected" || s.Status == "fixed" {
			why = strings.Join(nonEmpty("VEX "+s.File+": "+s.Status, s.Justification, s.ImpactStatement), ", ")
		}
	}
	return why
}

func (s *Statement) about(f *Finding) bool {
	v := &s.Vulnerability
	return v.Name != "" && f.has(v.Name) || v.ID != "" && f.has(lastStep(v.ID)) || slices.ContainsFunc(v.Aliases, f.has)
}

// lastStep is the end of an IRI: https://nvd.nist.gov/vuln/detail/CVE-2026-1234.
func lastStep(iri string) string { return iri[strings.LastIndexByte(iri, '/')+1:] }

// covers reports whether a product is the image and names the package, or no package; or is the
// package itself.
func (s *Statement) covers(image *Image, f *Finding) bool {
	for i := range s.Products {
		p := &s.Products[i]
		ofPackage := slices.ContainsFunc(p.Subcomponents, func(c vexComponent) bool { return c.isPackage(f.PURL) })
		if (p.isImage(image) || p.isPackage(f.PURL)) && (len(p.Subcomponents) == 0 || ofPackage) {
			return true
		}
	}
	return false
}

// purls are the package URLs of a component.
func (c *vexComponent) purls() []string {
	var all []string
	for _, id := range []string{c.ID, c.Identifiers["purl"]} {
		if strings.HasPrefix(id, "pkg:") {
			all = append(all, id)
		}
	}
	return all
}

func (c *vexComponent) isPackage(purl string) bool {
	return purl != "" && slices.ContainsFunc(c.purls(), func(wanted string) bool { return meets(purl, wanted) })
}

// isImage reports whether a component is an image: by its digest, its reference or its package URL.
func (c *vexComponent) isImage(image *Image) bool {
	if image == nil {
		return false
	}
	for algorithm, hash := range c.Hashes { // A hash stands with its algorithm before it, or without.
		if strings.EqualFold(algorithm, "sha-256") || strings.EqualFold(algorithm, "sha256") {
			if slices.Contains(image.Digests, "sha256:"+strings.TrimPrefix(strings.ToLower(hash), "sha256:")) {
				return true
			}
		}
	}
	if c.ID != "" && !strings.Contains(c.ID, "://") && !strings.HasPrefix(c.ID, "pkg:") {
		if other := imageOf(c.ID); other != nil && other.Same(image) {
			return true
		}
	}
	return slices.ContainsFunc(c.purls(), image.meets)
}

// meets reports whether a package meets all that another package URL asks: a version, a subpath and
// each qualifier, if it has them.
func meets(purl, wanted string) bool {
	p, err := packageurl.FromString(purl)
	if err != nil {
		return false
	}
	w, err := packageurl.FromString(wanted)
	if err != nil || w.Type != p.Type || w.Namespace != p.Namespace || w.Name != p.Name {
		return false
	}
	has := p.Qualifiers.Map()
	for key, value := range w.Qualifiers.Map() {
		if have, there := has[key]; !there || have != value {
			return false
		}
	}
	return (w.Version == "" || w.Version == p.Version) && (w.Subpath == "" || w.Subpath == p.Subpath)
}

// meets reports whether an image meets all that a package URL asks of one.
func (i *Image) meets(wanted string) bool {
	w, err := packageurl.FromString(wanted)
	if err != nil || w.Type != packageurl.TypeOCI || w.Namespace != "" || w.Subpath != "" {
		return false
	}
	if w.Version != "" && !slices.Contains(i.Digests, w.Version) {
		return false
	}
	q := w.Qualifiers.Map()
	for key, value := range q {
		if !i.qualifies(key, value) {
			return false
		}
	}
	return slices.ContainsFunc(i.Repositories, func(repository string) bool {
		return base(repository) == w.Name && isAt(repository, q["repository_url"])
	})
}

// isAt reports whether a repository is at a URL, if there is one. It is written with the image's
// name, as Trivy does, or without it, as Grype does.
func isAt(repository, url string) bool {
	if url == "" {
		return true
	}
	url = canonicalRepository(url)
	return repository == url || repository == url+"/"+base(repository)
}

// qualifies reports whether an image meets a qualifier. Whatever nobody knows of is not met.
func (i *Image) qualifies(key, value string) bool {
	switch key {
	case "repository_url":
		return true // It is judged with the repository.
	case "arch":
		return i.Architecture == value
	case "tag":
		return slices.ContainsFunc(i.Tags, func(name string) bool { return tag(name) == value })
	}
	return false
}
