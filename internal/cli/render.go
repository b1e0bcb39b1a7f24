package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// renderOptions are the flags of render.
type renderOptions struct {
	files, namespaceFiles, protected []string
	format                           string
}

func renderCommand(world *World) *cobra.Command {
	var o renderOptions
	command := &cobra.Command{
		Use:   "render -f PROFILE [--namespaces FILE]",
		Short: "Write the objects that the operator will write",
		Long: `Write the objects that the operator will write for SecurityProfiles: the baseline of each
namespace that is given and that a profile governs, and the admission policies. The order is always
the same.

A namespace is written with the labels that the operator sets and no others, as it applies them.
Proofs of identity that only a cluster knows (the operator's uid) are left out of the policies.`,
		Example: `  # What a profile comes to
  kubectl posture render -f restricted.yaml --namespaces namespaces.yaml

  # What would change on a cluster
  kubectl posture render -f restricted.yaml --namespaces namespaces.yaml | kubectl diff --server-side -f -`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context(), world) },
	}
	f := command.Flags()
	f.StringArrayVarP(
		&o.files,
		"filename",
		"f",
		nil,
		"a file or directory with SecurityProfiles, or - for the standard input (repeatable)",
	)
	f.StringArrayVar(&o.namespaceFiles, "namespaces", nil, "a file or directory with Namespaces (repeatable)")
	f.StringArrayVar(
		&o.protected,
		"protected-namespaces",
		nil,
		"names and globs of namespaces that no profile selects, as the operator's flag has them (repeatable)",
	)
	f.StringVarP(&o.format, "output", "o", "yaml", "yaml or json")
	completeWords(command, "output", []string{"yaml", "json"})
	return command
}

func (o *renderOptions) run(ctx context.Context, world *World) error {
	if o.format != "yaml" && o.format != "json" {
		return fmt.Errorf("-o %s: it is yaml or json", o.format)
	}
	if len(o.files) == 0 {
		return errors.New("no SecurityProfile is named: give a file by -f, or -f - for the standard input")
	}
	given, namespaces := world.readManifests(o.files), world.readManifests(o.namespaceFiles)
	profiles, rest, errs := readProfiles(ctx, nil, given.documents)
	labelled, more := readNamespaces(namespaces.documents)
	beside, _ := readNamespaces(rest) // Namespaces may stand in the same file.
	labelled = append(labelled, beside...)
	wrong := slices.Concat(mistaken(given.documents), check.Unmatched(namespaces.documents))
	if err := errors.Join(slices.Concat(given.problems, namespaces.problems, wrong, errs, more)...); err != nil {
		return err
	}
	if len(profiles) == 0 {
		return errors.New("there is no SecurityProfile in what -f names")
	}
	objects, err := o.objects(profiles, labelled)
	if err != nil {
		return err
	}
	text, err := written(objects, o.format)
	if err != nil {
		return err
	}
	_, err = world.Out.Write(text)
	return err
}

// objects are what the operator will write, in order.
func (o *renderOptions) objects(
	profiles []v1alpha1.SecurityProfile,
	labelled []corev1.Namespace,
) ([]baseline.Object, error) {
	protected, err := selection.Protected(append([]string{v1alpha1.OperatorNamespace}, o.protected...)...)
	if err != nil {
		return nil, err
	}
	selector := selection.New(profiles, protected)
	var objects []baseline.Object
	slices.SortFunc(labelled, func(a, b corev1.Namespace) int { return cmp.Compare(a.Name, b.Name) })
	for i := range labelled {
		if p := selector.Governing(&labelled[i]); p != nil && p.EffectiveEnforcement() == v1alpha1.EnforcementEnforce {
			objects = append(objects, baseline.Render(p, labelled[i].Name)...)
		}
	}
	slices.SortFunc(profiles, func(a, b v1alpha1.SecurityProfile) int { return cmp.Compare(a.Name, b.Name) })
	for i := range profiles {
		if err := selector.Invalid(profiles[i].Name); err != nil {
			return nil, fmt.Errorf("SecurityProfile %s: %w", profiles[i].Name, err)
		}
		objects = append(objects, admission.Objects(admission.Render(&profiles[i], admission.Cluster{
			Outranking: selector.Outranking(&profiles[i]), Protected: protected, Operator: check.OperatorUser,
		}))...)
	}
	return objects, nil
}

// written are objects as YAML documents, or as a List in JSON.
func written(objects []baseline.Object, format string) ([]byte, error) {
	var text bytes.Buffer
	items := make([]any, 0, len(objects))
	for _, o := range objects {
		kind := baseline.KindOf(o)
		o.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
		item, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil, fmt.Errorf("writing %s %s: %w", kind.Kind, o.GetName(), err)
		}
		withoutEmpty(item)
		if format == "json" {
			items = append(items, item)
			continue
		}
		document, err := yaml.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("writing %s %s: %w", kind.Kind, o.GetName(), err)
		}
		fmt.Fprintf(&text, "---\n%s", document)
	}
	if format == "json" {
		encoder := json.NewEncoder(&text)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(
			map[string]any{"apiVersion": "v1", "kind": "List", "metadata": metav1.ListMeta{}, "items": items},
		); err != nil {
			return nil, fmt.Errorf("writing JSON: %w", err)
		}
	}
	return text.Bytes(), nil
}

// withoutEmpty takes out what types write though it is not set.
func withoutEmpty(object map[string]any) {
	delete(object, "status")
	if metadata, ok := object["metadata"].(map[string]any); ok && metadata["creationTimestamp"] == nil {
		delete(metadata, "creationTimestamp")
	}
	if spec, ok := object["spec"].(map[string]any); ok && len(spec) == 0 && object["kind"] == "Namespace" {
		delete(object, "spec")
	}
}
