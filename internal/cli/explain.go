package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/overview"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	liveOptions
	protected []string
}

func explainCommand(world *World) *cobra.Command {
	var o explainOptions
	command := &cobra.Command{
		Use:   "explain NAMESPACE",
		Short: "See why a namespace stands as it does",
		Long: `See which SecurityProfile governs a namespace and why the others do not, every object of its baseline with
its state, what waits, what is contested, what weakens it, each with the remedy, and the newest drift with
who and what. It reads the namespace, its report and the profiles.`,
		Example: `  kubectl posture explain shop`,
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return o.run(command.Context(), world, args[0])
		},
	}
	f := command.Flags()
	f.StringArrayVar(
		&o.protected,
		"protected-namespaces",
		nil,
		"names and globs of namespaces that no profile selects, as the operator's flag has them (repeatable)",
	)
	o.add(f)
	return command
}

func (o *explainOptions) run(ctx context.Context, world *World, name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("%q is no namespace: explain takes the name of a namespace only", name)
	}
	protected, err := selection.Protected(append([]string{v1alpha1.OperatorNamespace}, o.protected...)...)
	if err != nil {
		return err
	}
	cluster, err := o.connect(world)
	if err != nil {
		return err
	}
	place, errs, err := readPlace(ctx, cluster, name, protected)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(world.Out, overview.Explain(place, world.view())); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// readPlace reads what there is to know of a namespace. What may not be read is left out, and said
// by the errors of the list; the error ends all.
func readPlace(
	ctx context.Context, cluster client.Reader, name string, protected []string,
) (place *overview.Place, missing []error, err error) {
	place = &overview.Place{Name: name}
	var ns corev1.Namespace
	switch err := cluster.Get(ctx, client.ObjectKey{Name: name}, &ns); {
	case isGone(err):
		return nil, nil, fmt.Errorf("there is no namespace %s", name)
	case apierrors.IsForbidden(err):
		missing = append(missing, unreadable("get", "namespaces", err))
	case err != nil:
		return nil, nil, unreadable("get", "namespaces", err)
	default:
		place.Namespace = &ns
	}
	profiles, err := liveProfiles(ctx, cluster, "")
	switch {
	case apierrors.IsForbidden(err):
		missing = append(missing, err)
	case err != nil:
		return nil, nil, err
	case place.Namespace != nil:
		place.Verdicts = selection.Explain(profiles, protected, place.Namespace)
	}
	for i := range profiles {
		if len(place.Verdicts) > 0 && place.Verdicts[0].Governs && place.Verdicts[0].Profile == profiles[i].Name {
			place.Generation = profiles[i].Generation
		}
	}
	if err := readReport(ctx, cluster, place); err != nil {
		missing = append(missing, err)
	}
	return place, missing, nil
}

// readReport reads the report on a namespace.
func readReport(ctx context.Context, cluster client.Reader, place *overview.Place) error {
	var report v1alpha1.NamespacePosture
	err := cluster.Get(ctx, client.ObjectKey{Namespace: place.Name, Name: v1alpha1.PostureName}, &report)
	switch {
	case isGone(err):
		place.Unreported = true
	case err != nil:
		return unreadable("get", reportResource+" in namespace "+place.Name, err)
	default:
		place.Report = &report
	}
	return nil
}

// view is how screens are looked at.
func (w *World) view() overview.View { return overview.View{Now: w.Now(), Colour: w.colour()} }

func printableLine(err error) string { return printable.Line(err.Error()) }
