// Package cli is the kubectl plugin: it reads files and flags, has the pure rooms judge, and writes
// what they found. One file holds one command; streams, the clock and the directory are injected.
//
// It may import everything but controllers and what talks to a cluster on the operator's behalf. It
// must never decide whether a manifest keeps a rule.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulwark-dev/bulwark/internal/printable"
)

// The exit codes, the same for every output.
const (
	// ExitClean says that something was evaluated, and nothing was found that counts.
	ExitClean = 0
	// ExitError says that something could not be read, evaluated or written, or that nothing was
	// evaluated.
	ExitError = 1
	// ExitFindings says that findings count, and that nothing went wrong.
	ExitFindings = 2
)

// World is what the plugin knows of the world around it.
type World struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal reports whether a stream is a terminal.
	Terminal func(any) bool
	Getenv   func(string) string
	Now      func() time.Time
	// After is time.After; nil is the same.
	After func(time.Duration) <-chan time.Time
	// Dir is the directory that relative paths begin at; empty is the working directory.
	Dir string
	// Cluster is what --from-cluster, status and explain read; nil is the cluster of the kubeconfig.
	Cluster Cluster
}

// System is the world as it is.
func System() World {
	return World{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: isTerminal, Getenv: os.Getenv, Now: time.Now}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// findingsError says that a command has done its work, and that findings count.
type findingsError int

func (f findingsError) Error() string { return fmt.Sprintf("%d findings", int(f)) }

// Run runs a command, and is its exit code.
func Run(ctx context.Context, args []string, world World) int {
	if world.After == nil {
		world.After = time.After
	}
	root := rootCommand(&world)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var found findingsError
	switch {
	case err == nil:
		return ExitClean
	case errors.As(err, &found):
		return ExitFindings
	}
	for _, line := range messages(err) {
		fmt.Fprintf(world.Err, "error: %s\n", printable.Line(line))
	}
	return ExitError
}

// messages are the messages of an error, each by itself.
func messages(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var all []string
	for _, one := range joined.Unwrap() {
		all = append(all, messages(one)...)
	}
	return all
}

func rootCommand(world *World) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-posture",
		Short: "Know before the merge what the cluster will answer, and how it stands",
		Long: "kubectl posture holds manifests against SecurityProfiles as the API server will: Pod Security, the profile's admission policies,\n" +
			"limits, quotas, and what weakens the baseline. For this it needs no cluster, and reads one only by --from-cluster. status and\n" +
			"explain say how a cluster stands.",
		Example: "  # What would the cluster refuse of these files?\n  kubectl posture check -f deploy/ --profile restricted.yaml\n\n" +
			"  # What will the operator write for this profile?\n  kubectl posture render -f restricted.yaml --namespaces namespaces.yaml",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl posture"},
	}
	root.SetIn(world.In)
	root.SetOut(world.Out)
	root.SetErr(world.Err)
	root.AddCommand(
		checkCommand(world), renderCommand(world), auditCommand(world), statusCommand(world), explainCommand(world),
	)
	return root
}

// version is what was built: a release's tag, or else a commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// noArguments refuses what stands beside the flags: most often the second file behind an -f, which
// takes one.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q belongs to no flag of %s: repeat -f for each file, as in -f a.yaml -f b.yaml, "+
		"or name the directory", args[0], command.CommandPath())
}
