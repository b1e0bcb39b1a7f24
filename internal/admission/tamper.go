package admission

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// BreakGlassAnnotation is the key of the annotation of the audit event, behind the policy's name
// and a slash, that says who used break-glass.
const BreakGlassAnnotation = "break-glass"

func (r *renderer) guards() bool {
	return r.spec.Protection != nil && r.spec.Protection.Tamper == v1alpha1.ProhibitionForbid
}

// tamperings is a policy of which each rule is a variable, that holds for a request that tampers.
func (r *renderer) tamperings(d draft, rules ...tampering) Policy {
	d.variables = append(
		d.variables,
		admissionregistrationv1.Variable{Name: "breaksGlass", Expression: breaksGlass(r.spec.Protection)},
	)
	var tampers []string
	for _, rule := range rules {
		d.variables = append(d.variables, admissionregistrationv1.Variable{Name: rule.name, Expression: rule.holds})
		tampers = append(tampers, "variables."+rule.name)
		// The authorizer is asked last: only of what would be refused.
		expression := fmt.Sprintf("!variables.%s || variables.breaksGlass", rule.name)
		if rule.unless != "" {
			expression += " || " + rule.unless
		}
		d.validations = append(d.validations, refusal(expression,
			fmt.Sprintf("%s (spec.protection.tamper of SecurityProfile %s)", rule.message, r.profile.Name), ""))
	}
	d.annotations = []admissionregistrationv1.AuditAnnotation{{
		Key:             BreakGlassAnnotation,
		ValueExpression: fmt.Sprintf(`variables.breaksGlass && %s ? request.userInfo.username : ""`, some(tampers)),
	}}
	return r.policy(d)
}

// breaksGlass is whether tamper protection does not hold the user.
func breaksGlass(p *v1alpha1.Protection) string {
	var conditions []string
	if len(p.BreakGlassUsers) > 0 {
		conditions = append(conditions, fmt.Sprintf(`request.userInfo.?username.orValue("") in %s`, list(p.BreakGlassUsers)))
	}
	if len(p.BreakGlassGroups) > 0 {
		conditions = append(
			conditions,
			fmt.Sprintf(`request.userInfo.?groups.orValue([]).exists(g, g in %s)`, list(p.BreakGlassGroups)),
		)
	}
	return some(conditions)
}

// tampering is a rule of tamper protection.
type tampering struct {
	name    string
	holds   string
	unless  string // who may; it may ask the authorizer, as variables may not
	message string
}

// tamperObjects guards what Bulwark manages in a namespace.
func (r *renderer) tamperObjects() []Policy {
	if !r.guards() {
		return r.gateReports()
	}
	rules := rulesOn(
		onVersion(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, everyWrite, "namespacepostures"),
	)
	for _, kind := range baseline.NamespacedKinds {
		rules = append(rules, on(kind.Group, everyWrite, kind.Resource))
	}
	rules = append(
		rules,
		on("", []admissionregistrationv1.OperationType{admissionregistrationv1.Update}, "resourcequotas/status"),
	)
	return []Policy{r.tamperings(draft{
		concern:    tamperObjects,
		rules:      rules,
		conditions: []admissionregistrationv1.MatchCondition{r.notByOperatorOrKubernetes()},
		variables: []admissionregistrationv1.Variable{
			{Name: "profileBefore", Expression: label("oldObject", v1alpha1.ProfileLabel)},
		},
	}, tampering{
		name:    "reports",
		holds:   `request.kind.kind == "NamespacePosture" && ` + writesReport,
		message: writtenByBulwark,
	}, tampering{
		name:    "changes",
		holds:   fmt.Sprintf(`variables.profileBefore != "" && (request.operation == "DELETE" || (%s))`, changed),
		message: "the object is a part of the namespace's baseline and is changed by Bulwark alone; change the SecurityProfile instead",
	}, tampering{
		name:    "forges",
		holds:   fmt.Sprintf(forged, quote(v1alpha1.ProfileLabel)),
		message: fmt.Sprintf("the label %s is set by Bulwark alone", v1alpha1.ProfileLabel),
	}, tampering{
		name: "squats",
		holds: fmt.Sprintf(
			`request.operation == "CREATE" && dyn(object).metadata.name.startsWith(%s)`,
			quote(v1alpha1.NamePrefix),
		),
		message: fmt.Sprintf("names that begin with %s are reserved for the namespace's baseline", v1alpha1.NamePrefix),
	}, countsBaseline())}
}

// writesReport is whether a request on a report changes what anybody reads in it.
const writesReport = `(request.operation != "UPDATE" || ` + reported + `)`

const writtenByBulwark = "a NamespacePosture is written by Bulwark alone"

// label is the value of a label of an object, or "": there may be no such object, and no such
// label.
func label(object, key string) string {
	return fmt.Sprintf(`%[1]s == null ? "" : string(dyn(%[1]s).metadata.?labels[?%[2]s].orValue(""))`, object, quote(key))
}

// forged is whether a request puts a label on an object, or changes it there. Its presence counts,
// whatever its value is: Bulwark takes an object that bears it for a part of a baseline, also if it
// is empty.
const forged = `request.operation != "DELETE" && dyn(object).metadata.?labels[?%[1]s].hasValue() && ` +
	`(oldObject == null || dyn(object).metadata.?labels[?%[1]s] != dyn(oldObject).metadata.?labels[?%[1]s])`

// reported is whether an update of a report changes anything, as writing it again in another
// version of the API does not.
const reported = `["profile", "namespaceUID", "profileGeneration", "enforcement", "status", "summary", "objects", "blocked", "findings", "findingTotals", ` +
	`"podsUnseen", "truncated", "driftTotal", "drift", "operatorState"].exists(f, dyn(object)[?f] != dyn(oldObject)[?f]) || ` +
	`["labels", "annotations", "ownerReferences", "finalizers"].exists(f, dyn(object).metadata[?f] != dyn(oldObject).metadata[?f])`

// changed is whether an update changes what an object enforces, the usage that a quota's status
// counts included, or what only Bulwark may say: its labels, and who owns the object, since the
// garbage collector deletes what has no owner but one that is gone. Labels, annotations and
// finalizers of others are theirs: a network plugin holds each NetworkPolicy by a finalizer before
// it puts it into effect.
var changed = fmt.Sprintf(
	`["spec", "status", "rules", "roleRef", "subjects", "automountServiceAccountToken"].exists(f, dyn(object)[?f] != dyn(oldObject)[?f]) || `+
		`[%s, %s].exists(k, dyn(object).metadata.?labels[?k] != dyn(oldObject).metadata.?labels[?k]) || `+
		`dyn(object).metadata.?ownerReferences != dyn(oldObject).metadata.?ownerReferences`,
	quote(v1alpha1.ProfileLabel),
	quote(v1alpha1.ManagedByLabel),
)

// restores is whether a new namespace bears the label that Bulwark would give it, as one does that
// comes from a backup. Nothing is gained by that label alone: the baseline is put in place as
// without it, and readyGate asks for a report of this very namespace.
const restores = `oldObject == null && variables.profileNow == %s && variables.governedNow`

// tamperNamespaces guards the labels of namespaces: the one by which Bulwark knows whose they are,
// those of Pod Security that the profile declares, and those by which it selects.
func (r *renderer) tamperNamespaces() []Policy {
	if !r.guards() {
		return nil
	}
	const name = "object.metadata.name"
	mine := fmt.Sprintf(
		`[variables.profileBefore, variables.profileNow].exists(p, p == %s) || variables.governedBefore || variables.governedNow`,
		quote(r.profile.Name),
	)
	rules := []tampering{{
		name: "forges",
		holds: fmt.Sprintf(`variables.labelsNow[?%[1]s] != variables.labelsBefore[?%[1]s] && (%[2]s) && !variables.restores`,
			quote(v1alpha1.ProfileLabel), mine),
		message: fmt.Sprintf("the label %s of a namespace is set by Bulwark alone", v1alpha1.ProfileLabel),
	}}
	// The annotation holds the labels that the namespace gets back. A new namespace may bear the
	// annotation of its backup.
	rules = append(rules, tampering{
		name: "rewrites",
		holds: fmt.Sprintf(`(variables.governedBefore || variables.governedNow) && oldObject != null && `+
			`object.metadata.?annotations[?%[1]s] != oldObject.metadata.?annotations[?%[1]s]`, quote(v1alpha1.PodSecurityBeforeAnnotation)),
		message: fmt.Sprintf(
			"the annotation %s of a namespace is set by Bulwark alone",
			v1alpha1.PodSecurityBeforeAnnotation,
		),
	})
	declared := map[string]string{}
	baseline.PodSecurityLabels(r.spec.PodSecurity, declared)
	if len(declared) > 0 {
		var weakened []string
		for _, key := range sortedKeys(declared) {
			weakened = append(weakened, fmt.Sprintf(
				`(variables.labelsNow[?%[1]s] != variables.labelsBefore[?%[1]s] && variables.labelsNow[?%[1]s] != optional.of(%[2]s))`,
				quote(key),
				quote(declared[key]),
			))
		}
		rules = append(rules, tampering{
			name:    "weakens",
			holds:   `variables.governedNow && ` + some(weakened),
			message: "the profile declares the Pod Security labels of the namespace: " + words(sortedKeys(declared)),
		})
	}
	rules = append(rules, tampering{
		name:  "sheds",
		holds: `variables.governedBefore && !variables.governedNow`,
		unless: fmt.Sprintf(`authorizer.group(%s).resource("securityprofiles").name(%s).check("update").allowed()`,
			quote(v1alpha1.GroupVersion.Group), quote(r.profile.Name)),
		message: "the namespace would lose its baseline by these labels; only those who may update the profile can take it out of the selection",
	})
	rules = append(rules, r.guardHeld()...)
	rules = append(rules, r.guardAdminAccess())
	rules = append(rules, guardOwners())
	// Whoever ends a namespace without deleting what it holds leaves a report behind that says of
	// the next one of this name that it is ready.
	rules = append(rules, tampering{
		name: "finalizes",
		holds: fmt.Sprintf(
			`variables.governedBefore && %[1]q in oldObject.spec.?finalizers.orValue([]) && !(%[1]q in object.spec.?finalizers.orValue([])) && `+
				`!%[2]s`,
			corev1.FinalizerKubernetes,
			r.isPart(enders),
		),
		message: "the namespace is emptied and ended by Kubernetes alone, so that nothing of its baseline outlives it",
	})
	before := `oldObject == null ? {} : oldObject.metadata.?labels.orValue({})`
	return []Policy{r.tamperings(draft{
		concern:       tamperNamespaces,
		clusterScoped: true,
		rules:         rulesOn(on("", createOrUpdate, "namespaces", "namespaces/status", "namespaces/finalize")),
		conditions: []admissionregistrationv1.MatchCondition{
			{Name: "namespace-is-not-protected", Expression: "!" + matchesGlobs(name, r.cluster.Protected)},
			r.notByOperator(),
		},
		variables: slices.Concat([]admissionregistrationv1.Variable{
			{Name: "labelsNow", Expression: `object.metadata.?labels.orValue({})`},
			{Name: "labelsBefore", Expression: before},
			{Name: "profileNow", Expression: fmt.Sprintf(`variables.labelsNow[?%s].orValue("")`, quote(v1alpha1.ProfileLabel))},
			{
				Name:       "profileBefore",
				Expression: fmt.Sprintf(`variables.labelsBefore[?%s].orValue("")`, quote(v1alpha1.ProfileLabel)),
			},
		},
			r.where.governs("governedNow", "true", "variables.labelsNow", name, "object"),
			r.where.governs("governedBefore", "oldObject != null", "variables.labelsBefore", name, "oldObject"),
			[]admissionregistrationv1.Variable{{Name: "restores", Expression: fmt.Sprintf(restores, quote(r.profile.Name))}}),
	}, rules...)}
}
