package scanreport

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// checkID finds the parts of a check's id, which Trivy spells KSV-0017, KSV017 and AVD-KSV-0017.
var checkID = regexp.MustCompile(`^(?:AVD-)?([A-Z]+)-?0*(\d{1,4})$`)

// canonicalID is an id in the one spelling by which it is compared: KSV-0017. Ids of
// vulnerabilities stay as they are.
func canonicalID(id string) string {
	upper := strings.ToUpper(strings.TrimSpace(id))
	found := checkID.FindStringSubmatch(upper)
	if found == nil {
		return upper
	}
	number, err := strconv.Atoi(found[2])
	if err != nil {
		return upper
	}
	digits := strconv.Itoa(number)
	return found[1] + "-" + strings.Repeat("0", max(0, 4-len(digits))) + digits
}

// kindsNamed are the kinds that checks' messages name.
const kindsNamed = `(pod|deployment|replicaset|statefulset|daemonset|replicationcontroller|job|cronjob|` +
	`service|serviceaccount|configmap|secret|networkpolicy|` +
	`role|rolebinding|clusterrole|clusterrolebinding|namespace|ingress)`

// The forms in which a check's message names what it is about. The object stands nowhere else in a
// report: its lines are off by one for each document before, and a manifest in JSON has none.
var (
	namedInQuotes = regexp.MustCompile(`(?i)(?:\bcontainer ['"]([^'"]+)['"] of )?` +
		`['"]?\b` + kindsNamed + `\b['"]? ['"]([^'"]+)['"]`)
	namedPlainly   = regexp.MustCompile(`(?i)^` + kindsNamed + ` (\S+) in \S+ namespace\b`)
	namespaceNamed = regexp.MustCompile(`(?i)\bin ['"]?([^'" ]+)['"]? namespace\b`)
)

// object fills in what a misconfiguration's message names.
func (f *Finding) object(message string) {
	if found := namedPlainly.FindStringSubmatch(message); found != nil {
		f.ObjectKind, f.Object = found[1], found[2]
	} else if found := namedInQuotes.FindStringSubmatch(message); found != nil {
		f.Container, f.ObjectKind, f.Object = found[1], found[2], found[3]
	}
	if found := namespaceNamed.FindStringSubmatch(message); found != nil {
		f.Namespace = found[1]
	}
}

// In reports whether a finding may be in a file, whatever directory the scanner saw it from. A file
// in an archive is named behind a colon.
func (f *Finding) In(file string) bool {
	if file == "" || f.Target == "" {
		return false
	}
	a, b := path.Clean(file), path.Clean(strings.Replace(f.Target, ":", "/", 1))
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}
