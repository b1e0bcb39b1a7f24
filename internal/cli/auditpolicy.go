package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/internal/auditpolicy"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// auditOptions are the flags of audit-policy.
type auditOptions struct {
	files             []string
	explain, estimate string
	operator          string
}

func auditCommand(world *World) *cobra.Command {
	var o auditOptions
	command := &cobra.Command{
		Use:   "audit-policy -f PROFILE",
		Short: "Make the API server's audit policy from profiles",
		Long: `Make an audit policy (audit.k8s.io/v1) that records what matters about the baselines of
SecurityProfiles, and little else: changes of what they consist of, with request and response; who
reads Secrets and makes tokens, without their data; exec, attach, port-forward and proxy; requests
of nobody in particular; and that something was changed, of everything else. Give it to the API
server by --audit-policy-file.

A policy cannot select what is impersonated: what is recorded names both users (user and impersonatedUser).`,
		Example: `  # The policy
  kubectl posture audit-policy -f profiles/ > audit-policy.yaml

  # Which rule catches these events, and at which level?
  kubectl posture audit-policy -f profiles/ --explain event.json

  # How much would be written a day, by the log of another policy?
  kubectl posture audit-policy -f profiles/ --estimate /var/log/kubernetes/audit.log`,
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
	f.StringVar(&o.explain, "explain", "", "a file with audit events, one a line: say which rule catches each")
	f.StringVar(&o.estimate, "estimate", "", "a file with an audit log: say how much would be written a day")
	f.StringVar(&o.operator, "operator", check.OperatorUser, "the user that the operator is")
	command.MarkFlagsMutuallyExclusive("explain", "estimate")
	return command
}

func (o *auditOptions) run(ctx context.Context, world *World) error {
	if len(o.files) == 0 {
		return errors.New("no SecurityProfile is named: give a file by -f, or -f - for the standard input")
	}
	given := world.readManifests(o.files)
	profiles, _, errs := readProfiles(ctx, nil, given.documents)
	if err := errors.Join(slices.Concat(given.problems, mistaken(given.documents), errs)...); err != nil {
		return err
	}
	if len(profiles) == 0 {
		return errors.New("there is no SecurityProfile in what -f names")
	}
	rules := auditpolicy.Rules(profiles, o.operator)
	if o.explain == "" && o.estimate == "" {
		return writePolicy(world.Out, rules)
	}
	explainer, err := auditpolicy.NewExplainer(rules)
	if err != nil {
		return err
	}
	name := cmp.Or(o.explain, o.estimate)
	log, err := os.Open(world.path(name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, cause(err))
	}
	defer log.Close() //nolint:errcheck // It was only read.
	if o.explain != "" {
		err = explain(world.Out, explainer, log)
	} else {
		err = estimate(world.Out, explainer, log)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// writePolicy writes a policy, with what each rule is for.
func writePolicy(to io.Writer, rules []auditpolicy.Rule) error {
	policy := auditpolicy.Policy(rules)
	policy.Rules = nil
	text, err := yaml.Marshal(
		map[string]any{"apiVersion": policy.APIVersion, "kind": policy.Kind, "omitStages": policy.OmitStages},
	)
	if err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	text = append(text, "rules:\n"...)
	for _, rule := range rules {
		written, err := yaml.Marshal([]auditv1.PolicyRule{rule.PolicyRule})
		if err != nil {
			return fmt.Errorf("writing the audit policy: %w", err)
		}
		text = fmt.Appendf(text, "# %s\n%s", rule.Why, written)
	}
	_, err = to.Write(text)
	return err
}

func explain(to io.Writer, explainer *auditpolicy.Explainer, log io.Reader) error {
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tVERB\tOF\tLEVEL\tRULE")
	read := 0
	err := auditpolicy.Events(log, func(event *auditv1.Event, _ int) error {
		read++
		rule, level := explainer.Catch(event)
		of := event.RequestURI
		if ref := event.ObjectRef; ref != nil {
			of = ref.Resource
			if ref.Subresource != "" {
				of += "/" + ref.Subresource
			}
			if ref.APIGroup != "" {
				of += "." + ref.APIGroup
			}
		}
		why := "none"
		if rule >= 0 {
			why = fmt.Sprintf("%d: %s", rule+1, explainer.Rules()[rule].Why)
		}
		fmt.Fprintf(
			t,
			"%s\t%s\t%s\t%s\t%s\n",
			printable.Line(event.User.Username),
			printable.Line(event.Verb),
			printable.Line(of),
			level,
			why,
		)
		return nil
	})
	if err == nil && read == 0 {
		err = errors.New("there is no audit event in it")
	}
	if err != nil {
		return err
	}
	return t.Flush()
}

func estimate(to io.Writer, explainer *auditpolicy.Explainer, log io.Reader) error {
	estimates, span, err := explainer.Estimates(log)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "MIB A DAY\tEVENTS\tLEVEL\tRULE")
	total, lacking := 0.0, 0
	for _, of := range estimates {
		if of.Events == 0 {
			continue
		}
		rule := explainer.Rules()[of.Rule]
		fmt.Fprintf(t, "%.2f\t%d\t%s\t%d: %s\n", of.BytesPerDay/(1<<20), of.Events, rule.Level, of.Rule+1, rule.Why)
		total += of.BytesPerDay
		lacking += of.Lacking
	}
	fmt.Fprintf(t, "%.2f\t\t\tall, by a log of %s\n", total/(1<<20), span.Round(time.Second))
	if err := t.Flush(); err != nil {
		return err
	}
	if lacking > 0 {
		fmt.Fprintf(to, "%d events will be larger: the log does not hold their requests or responses.\n", lacking)
	}
	return nil
}
