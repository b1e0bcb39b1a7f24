package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// results are what a run measured.
type results struct {
	Began   time.Time `json:"began"`
	Machine machine   `json:"machine"`
	Options options   `json:"options"`
	Figures []figure  `json:"figures"`
	Samples []sample  `json:"samples"`
}

// machine is what the numbers depend on.
type machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
}

// sample is one measurement: a round, a block, a restart.
type sample struct {
	Benchmark string    `json:"benchmark"`
	Measures  []measure `json:"measures"`
}

type measure struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

func (r *results) figure(f figure) { r.Figures = append(r.Figures, f) }
func (r *results) sample(benchmark string, measures ...measure) {
	r.Samples = append(r.Samples, sample{Benchmark: benchmark, Measures: measures})
}

// missed is an error that names the figures that are not as good as they must be.
func (r *results) missed() error {
	var missed []string
	for _, f := range r.Figures {
		if f.Bound != nil && !f.Bound.Reached {
			missed = append(missed, f.Name)
		}
	}
	if len(missed) == 0 {
		return nil
	}
	return errors.New("not reached: " + strings.Join(missed, "; "))
}

// print prints the table of figures.
func (r *results) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s, %d CPUs, %s, commit %s\n\n", r.Machine.CPU, r.Machine.CPUs, r.Machine.Go, r.Machine.Commit)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIGURE\tVALUE\tUNIT\tMUST\tAIM\tVERDICT\tNOTE")
	for _, f := range r.Figures {
		var must, aim string
		if f.Bound != nil {
			must, aim = string(f.Bound.Comparison)+" "+number(f.Bound.Must), number(f.Bound.Aim)
		}
		fmt.Fprintln(table, strings.Join([]string{f.Name, number(f.Value), f.Unit, must, aim, f.verdict(), f.Note}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}

// write writes the results under the name of this run, which stays, and as results.json and
// results.txt, which are the last run's.
func (r *results) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the results as JSON: %w", err)
	}
	for _, name := range []string{r.name(), "results"} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path+".json", append(data, '\n'), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(path+".txt", r.benchmarks(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// name is that of the files of this run: by when it began, in UTC, and by the commit.
func (r *results) name() string {
	hash, dirty := strings.CutSuffix(r.Machine.Commit, dirtySuffix)
	name := "results-" + r.Began.UTC().Format("20060102T1504") + "-" + hash[:min(7, len(hash))]
	if dirty {
		name += dirtySuffix
	}
	return name
}

// printPaths says where the results are, and how to compare them with another run's.
func (r *results) printPaths(out io.Writer, folder string) error {
	path := filepath.Join(folder, r.name())
	_, err := fmt.Fprintf(
		out,
		"\nresults: %s.txt and .json, also as results.txt and .json\nto compare two runs: benchstat OLD.txt %s.txt\n",
		path,
		path,
	)
	return err
}

// benchmarks are the samples in the format of Go's benchmarks, one line each, so that benchstat
// compares two runs. The commit is a comment: benchstat does not compare what has different keys.
func (r *results) benchmarks() []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "goos: %s\ngoarch: %s\npkg: github.com/bulwark-dev/bulwark/test/bench\ncpu: %s\n# commit %s\n",
		r.Machine.OS, r.Machine.Arch, r.Machine.CPU, r.Machine.Commit)
	for _, s := range r.Samples {
		fmt.Fprintf(&text, "Benchmark%s 1", s.Benchmark)
		for _, m := range s.Measures {
			fmt.Fprintf(&text, " %s %s", strconv.FormatFloat(m.Value, 'f', -1, 64), m.Unit)
		}
		fmt.Fprintln(&text)
	}
	return text.Bytes()
}

func thisMachine(ctx context.Context) machine {
	return machine{
		OS:     runtime.GOOS,
		Arch:   runtime.GOARCH,
		CPU:    cpuModel(),
		CPUs:   runtime.NumCPU(),
		Go:     runtime.Version(),
		Commit: commit(ctx),
	}
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // Without it, the model is unknown.
	for line := range strings.Lines(string(info)) {
		if field, value, _ := strings.Cut(line, ":"); strings.TrimSpace(field) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// dirtySuffix marks the commit of a tree that holds more than is committed.
const dirtySuffix = "-dirty"

func commit(ctx context.Context) string {
	git := exec.CommandContext(ctx, "git", "describe", "--always", "--exclude=*", "--dirty="+dirtySuffix, "--abbrev=12")
	git.Dir = controlplane.Root()
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
