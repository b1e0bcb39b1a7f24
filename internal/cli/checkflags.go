package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/output"
)

func checkCommand(world *World) *cobra.Command {
	var o checkOptions
	command := &cobra.Command{
		Use:   "check -f FILES|DIRECTORIES|- --profile FILE",
		Short: "Say what the API server will answer to manifests",
		Long: `Hold manifests against SecurityProfiles, as the API server and the controllers that make pods will: Pod Security, the admission
policies, LimitRanges and quotas, and what weakens the baseline.

One profile governs each namespace of which no labels are known. Of several, labels decide, as in the cluster.

Exit codes: 0 clean, 2 findings at or above --fail-on, 1 an error: something could not be read or evaluated, or nothing was.`,
		Example: `  # A directory, by one profile
  kubectl posture check -f deploy/ --profile restricted.yaml

  # What kustomize or Helm makes
  kustomize build overlays/prod | kubectl posture check -f - --profile restricted.yaml
  helm template shop | kubectl posture check -f - --profile restricted.yaml

  # A table for people, and SARIF for code scanning
  kubectl posture check -f deploy/ --profile restricted.yaml -o table -o sarif=posture.sarif

  # By what governs the cluster of the current kubeconfig
  kubectl posture check -f deploy/ --from-cluster

  # What an update would be answered: what there is, and what it becomes
  kubectl get deployments -n shop -o yaml > live.yaml
  kubectl posture check -f deploy/ --profile restricted.yaml --old live.yaml

  # What Trivy or Grype has found in the images, by the profile's thresholds
  trivy image --format json --output web.json registry.example.com/web:1.2
  kubectl posture check -f deploy/ --profile restricted.yaml --scan-report web.json

  # Several profiles: the labels of namespaces decide
  kubectl posture check -f deploy/ --profile profiles/ --namespaces namespaces.yaml`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			o.namespaceGiven = command.Flags().Changed("namespace")
			return o.run(command.Context(), world)
		},
	}
	f := command.Flags()
	f.StringArrayVarP(
		&o.files,
		"filename",
		"f",
		nil,
		"a file or directory of manifests, or - for the standard input (repeatable)",
	)
	f.StringArrayVar(
		&o.profiles,
		"profile",
		nil,
		"a file or directory with SecurityProfiles (repeatable); those among the manifests count too",
	)
	o.cluster.add(f)
	f.StringArrayVar(
		&o.namespaceFiles,
		"namespaces",
		nil,
		"a file or directory with Namespaces, for their labels (repeatable)",
	)
	f.StringArrayVar(&o.old, "old", nil, "a file or directory with what there is already, to judge updates (repeatable)")
	f.StringArrayVar(
		&o.scanReports,
		"scan-report",
		nil,
		"a report of a scanner on images or files, statements of OpenVEX, or a directory with some: "+
			"Trivy's or Grype's JSON, SARIF (repeatable)",
	)
	f.StringVar(
		&o.ignores,
		"ignorefile",
		"",
		"a .trivyignore.yaml; without, the one in the directory is read along with scan reports",
	)
	f.StringVarP(&o.namespace, "namespace", "n", "default", "the namespace of objects that name none")
	f.StringVar(&o.as, "as", "kubernetes-admin", "the user who applies the manifests, and whose rights policies ask for")
	f.StringArrayVar(&o.asGroups, "as-group", nil, "a group of that user (repeatable)")
	f.StringArrayVar(
		&o.protected,
		"protected-namespaces",
		nil,
		"names and globs of namespaces that no profile selects, as the operator's flag has them (repeatable)",
	)
	f.StringArrayVarP(
		&o.outputs,
		"output",
		"o",
		[]string{"table"},
		"FORMAT or FORMAT=FILE (repeatable): "+strings.Join(slices.Sorted(maps.Keys(output.Formats())), ", "),
	)
	f.StringVar(
		&o.failOn,
		"fail-on",
		string(check.Deny),
		"the weakest that fails the check: Deny, Warn or Audit (what weakens a baseline is warned of)",
	)
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "it is no error if nothing is evaluated")
	f.BoolVar(
		&o.strict,
		"strict",
		false,
		"it is an error if there are objects of unknown kinds, or that no profile governs, or no scan reports where a profile asks for some",
	)
	f.StringVar(&o.baseline, "baseline", "", "a file with findings that are known and do not count")
	f.BoolVar(
		&o.update,
		"update-baseline",
		false,
		"write the findings that count into the file of --baseline, take out what is gone, keep what was not judged, and exit 0",
	)
	f.StringVar(&o.since, "changed-since", "", "report only what is in files that differ from this git commit")
	f.BoolVar(
		&o.fix,
		"fix",
		false,
		"mend in the files what can be mended with certainty, and check again (-o sarif shows it without writing)",
	)
	f.StringVar(
		&o.framework,
		"framework",
		"",
		"say on the standard error how many findings each section has: cis, nsa, pss or a file",
	)
	completeWords(command, "framework", []string{"cis", "nsa", "pss"})
	completeWords(command, "output", slices.Sorted(maps.Keys(output.Formats())))
	completeWords(command, "fail-on", []string{string(check.Deny), string(check.Warn), string(check.Audit)})
	return command
}

// completeWords has a shell complete a flag by some words.
func completeWords(command *cobra.Command, flag string, words []string) {
	if err := command.RegisterFlagCompletionFunc(
		flag,
		cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp),
	); err != nil {
		panic(err) // There is no such flag, which a test finds.
	}
}
