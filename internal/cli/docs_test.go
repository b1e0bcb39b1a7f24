package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	block    = regexp.MustCompile("(?ms)^```(yaml|console)\n(.*?)^```$")
	fileName = regexp.MustCompile(`^# (\S+\.(?:yaml|json))\n`)
)

// TestTheGuidesExamples runs what docs/cli.md shows, in order and in one directory: a block of YAML
// that begins with a file's name is that file, and in a console each command line is followed by
// what it says.
func TestTheGuidesExamples(t *testing.T) {
	guide, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	d := with(t)
	ran, code := 0, 0
	for _, found := range block.FindAllStringSubmatch(string(guide), -1) {
		kind, text := found[1], found[2]
		if name := fileName.FindStringSubmatch(text); kind == "yaml" && name != nil {
			if strings.HasSuffix(name[1], ".json") {
				text = strings.TrimPrefix(text, name[0])
			}
			d.put(name[1], text)
		}
		if kind != "console" {
			continue
		}
		for _, command := range strings.Split("\n"+text, "\n$ ")[1:] {
			line, want, _ := strings.Cut(strings.TrimSuffix(command, "\n")+"\n", "\n")
			var said string
			if line == "echo $?" {
				said = fmt.Sprintln(code)
			} else {
				var both bytes.Buffer
				code = Run(context.Background(), strings.Fields(strings.TrimPrefix(line, "kubectl posture ")), World{
					In: strings.NewReader(""), Out: &both, Err: &both, Dir: d.dir, Now: time.Now,
					Terminal: func(any) bool { return false }, Getenv: func(string) string { return "" },
				})
				said = both.String()
			}
			ran++
			if diff := cmp.Diff(strings.TrimSuffix(want, "\n"), strings.TrimSuffix(said, "\n")); diff != "" {
				t.Errorf("%s (-guide +said):\n%s", line, diff)
			}
		}
	}
	if ran < 6 {
		t.Errorf("only %d commands were run", ran)
	}
}
