package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/overview"
)

// redrawAfter is how long a screen stands that is watched.
const redrawAfter = 2 * time.Second

// clearScreen takes what a terminal shows away.
const clearScreen = "\x1b[H\x1b[2J"

// statusOptions are the flags of status.
type statusOptions struct {
	liveOptions
	profile    string
	all, watch bool
}

func statusCommand(world *World) *cobra.Command {
	var o statusOptions
	command := &cobra.Command{
		Use:   "status [PROFILE]",
		Short: "See how the cluster stands",
		Long: `See on one screen how the SecurityProfiles of a cluster stand: which are compliant, the namespaces by state,
the newest drift with who and what, and the findings by severity. It reads the profiles, and the reports only
if a namespace is not compliant.

The exit code is 2 if a profile is not compliant.`,
		Example: `  # All profiles
  kubectl posture status

  # One profile and all its namespaces, again and again
  kubectl posture status restricted --all --watch`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.profile = args[0]
			}
			return o.run(command.Context(), world)
		},
	}
	f := command.Flags()
	f.BoolVar(&o.all, "all", false, "show all namespaces, also those that are compliant, and all drift that is known")
	f.BoolVarP(&o.watch, "watch", "w", false, "draw the screen again every two seconds, until it is interrupted")
	o.add(f)
	return command
}

func (o *statusOptions) run(ctx context.Context, world *World) error {
	cluster, err := o.connect(world)
	if err != nil {
		return err
	}
	var seen sight
	for {
		next, err := o.look(ctx, cluster, &seen)
		if !o.watch && next == nil {
			return err
		}
		if ctx.Err() != nil {
			return seen.result(nil)
		}
		o.draw(world, &seen, next, err)
		if !o.watch {
			return next.result(err)
		}
		if next != nil {
			seen = *next
		}
		select {
		case <-ctx.Done():
			return seen.result(nil)
		case <-world.After(redrawAfter):
		}
	}
}

// sight is what was seen of the cluster.
type sight struct {
	fleet    overview.Fleet
	versions []string // the profiles' resource versions, by which a change is noticed
	partial  bool     // some of it could not be read
}

// result is what a command ends with that has seen this.
func (s *sight) result(err error) error {
	if err != nil {
		return err
	}
	bad := 0
	for i := range s.fleet.Profiles {
		if !overview.IsCompliant(&s.fleet.Profiles[i]) {
			bad++
		}
	}
	if bad > 0 {
		return findingsError(bad)
	}
	return nil
}

// look reads the profiles; and the reports, if they are shown and a profile has changed since they
// were read. If only the reports cannot be read, it returns the rest, and the error.
func (o *statusOptions) look(ctx context.Context, cluster client.Reader, seen *sight) (*sight, error) {
	profiles, err := liveProfiles(ctx, cluster, o.profile)
	if err != nil {
		return nil, err
	}
	if len(profiles) == 0 {
		return nil, errors.New("there is no SecurityProfile: nothing is governed")
	}
	next := &sight{fleet: overview.Fleet{Profiles: profiles, All: o.all}}
	show := o.all
	for i := range profiles {
		next.versions = append(next.versions, profiles[i].Name+"/"+profiles[i].ResourceVersion)
		show = show || deviates(&profiles[i])
	}
	switch {
	case slices.Equal(next.versions, seen.versions) && !seen.partial:
		next.fleet.Namespaces = seen.fleet.Namespaces
	case show:
		next.fleet.Namespaces, err = liveNamespaces(ctx, cluster, o.profile, o.all)
	}
	next.partial = err != nil
	return next, err
}

// deviates reports whether some namespace of a profile is not compliant.
func deviates(p *v1alpha1.SecurityProfile) bool {
	return p.Status.Namespaces.Compliant < p.Status.Namespaces.Selected
}

// draw writes a screen. Where it is no terminal, only a change is written again.
func (o *statusOptions) draw(world *World, seen, next *sight, err error) {
	terminal := world.Terminal(world.Out)
	switch {
	case next == nil:
		fmt.Fprintln(world.Err, "error:", printableLine(err))
		return
	case o.watch && terminal:
		fmt.Fprintf(world.Out, "%s", clearScreen)
	case o.watch && slices.Equal(seen.versions, next.versions):
		return
	case len(seen.versions) > 0:
		fmt.Fprintln(world.Out)
	}
	fmt.Fprintf(world.Out, "%s", overview.Status(&next.fleet, world.view()))
	if o.watch && err != nil {
		fmt.Fprintln(world.Err, "error:", printableLine(err))
	}
}
