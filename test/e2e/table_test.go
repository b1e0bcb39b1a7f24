package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	. "github.com/onsi/gomega"
)

// results are what was seen, in the order in which it was seen.
type results struct{ versions, rows, notes []string }

var seen results

// add notes a connection.
func (r *results) add(when string, c connection, host, port string, admitted bool, err error) {
	from, protocol := "outside", "TCP"
	if c.from != (place{}) {
		from = c.from.String()
	}
	if c.dns {
		protocol = "UDP"
	}
	got := verdict(admitted)
	switch {
	case err != nil:
		got = "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
	case admitted != c.admitted:
		got = "**" + got + "**"
	}
	r.rows = append(r.rows, fmt.Sprintf("| %d | %s | %s | %s | %s %s:%s | %s | %s |",
		len(r.rows)+1, when, c.what, from, protocol, host, port, verdict(c.admitted), got))
}

// learnVersions asks the cluster for its versions. E2E_VERSIONS adds those that a cluster does not tell.
func (r *results) learnVersions() {
	version := kubectl("get", "--raw", "/version")
	_, version, _ = strings.Cut(version, `"gitVersion": "`)
	version, _, _ = strings.Cut(version, `"`)
	r.versions = []string{"Kubernetes " + version}
	for _, field := range []string{"kubeletVersion", "containerRuntimeVersion", "osImage", "kernelVersion"} {
		value := kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo."+field+"}")
		r.versions = append(r.versions, strings.TrimSuffix(field, "Version")+" "+value)
	}
	if others := os.Getenv("E2E_VERSIONS"); others != "" {
		r.versions = append(r.versions, others)
	}
}

// note notes what else was seen.
func (r *results) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	step("%s", text)
	r.notes = append(r.notes, "- "+text)
}

// write writes the table, as far as it is, so that a run that is cut short leaves it.
func (r *results) write() {
	if path := os.Getenv("E2E_TABLE"); path != "" {
		Expect(os.WriteFile(path, []byte(r.markdown()), 0o644)).To(Succeed())
	}
}

func (r *results) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Run of %s: %s. Installed: %s.\n\n",
		time.Now().UTC().Format(time.DateOnly), strings.Join(r.versions, ", "), installed())
	out.WriteString("| # | when | what | from | to | expected | seen |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	out.WriteString(strings.Join(r.rows, "\n") + "\n\n")
	out.WriteString(strings.Join(r.notes, "\n") + "\n")
	return out.String()
}

func verdict(admitted bool) string {
	if admitted {
		return "admitted"
	}
	return "dropped"
}

// dial reports whether a connection from here is admitted.
func dial(host, port string, patience time.Duration) bool {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), patience)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// onTheNodesNetwork reports whether the suite runs where it reaches pods by itself, as make node has it.
func onTheNodesNetwork() bool { return os.Getenv("OUTSIDE") != "" }
