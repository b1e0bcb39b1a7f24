package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// check compares the world with the model, and is all the sentences that say where they differ.
type check struct {
	w           *world
	profiles    map[string]*v1alpha1.SecurityProfile
	namespaces  map[string]*corev1.Namespace
	reports     map[string]*v1alpha1.NamespacePosture
	objects     map[string][]baseline.Object
	pods        map[string][]*corev1.Pod
	differences []string

	clusterRoles map[string]findings.Powers

	policies   map[string]client.Object // admission policies and bindings, by key
	conflicted map[string]bool          // the profiles of which another maker's bear the names
}

// differences are what the world lacks of the model, or holds beyond it.
func (w *world) differences() ([]string, error) {
	c := w.newCheck()
	if err := c.read(); err != nil {
		return nil, err
	}
	if err := c.checkPolicies(); err != nil {
		return nil, err
	}
	c.checkProfiles()
	c.checkNamespaces()
	if err := c.checkForeign(); err != nil {
		return nil, err
	}
	return c.differences, nil
}

func (w *world) newCheck() *check {
	return &check{
		w: w, profiles: map[string]*v1alpha1.SecurityProfile{}, namespaces: map[string]*corev1.Namespace{},
		reports: map[string]*v1alpha1.NamespacePosture{}, objects: map[string][]baseline.Object{},
		pods: map[string][]*corev1.Pod{}, clusterRoles: map[string]findings.Powers{},
		policies: map[string]client.Object{}, conflicted: map[string]bool{},
	}
}

func (c *check) differ(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

// read reads the whole cluster, by the API server's own answer.
func (c *check) read() error {
	var profiles v1alpha1.SecurityProfileList
	var reports v1alpha1.NamespacePostureList
	var namespaces corev1.NamespaceList
	var pods corev1.PodList
	var roles rbacv1.ClusterRoleList
	for _, list := range []client.ObjectList{&profiles, &namespaces, &reports, &pods, &roles} {
		if err := c.w.admin.List(c.w.ctx, list); err != nil {
			return err
		}
	}
	for i := range profiles.Items {
		c.profiles[profiles.Items[i].Name] = &profiles.Items[i]
	}
	for i := range namespaces.Items {
		if ns := &namespaces.Items[i]; ns.DeletionTimestamp.IsZero() {
			c.namespaces[ns.Name] = ns
		}
	}
	for i := range reports.Items {
		c.reports[reports.Items[i].Namespace] = &reports.Items[i]
	}
	for i := range pods.Items {
		c.pods[pods.Items[i].Namespace] = append(c.pods[pods.Items[i].Namespace], &pods.Items[i])
	}
	for i := range roles.Items {
		draw(c.clusterRoles, &roles.Items[i], findings.ClusterRoleOf)
	}
	for _, kind := range slices.Concat(baseline.NamespacedKinds, baseline.ClusterKinds) {
		if err := c.readKind(&kind); err != nil {
			return err
		}
	}
	for _, o := range c.objects[""] {
		c.policies[key(o.(client.Object))] = o.(client.Object)
	}
	return nil
}

func (c *check) readKind(kind *baseline.Kind) error {
	list, err := c.w.admin.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return err
	}
	if err := c.w.admin.List(c.w.ctx, list.(client.ObjectList)); err != nil {
		return err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, item := range items {
		o := item.(baseline.Object)
		c.objects[o.GetNamespace()] = append(c.objects[o.GetNamespace()], o)
	}
	return nil
}

// checkProfiles holds that the profiles are those that were declared, as they were declared, and
// that their status is the sum of the reports.
func (c *check) checkProfiles() {
	for name := range c.profiles {
		if c.w.model.profiles[name] == nil {
			c.differ("profile %s was deleted and is still there", name)
		}
	}
	for name, declared := range c.w.model.profiles {
		live := c.profiles[name]
		if live == nil {
			c.differ("profile %s is gone", name)
			continue
		}
		if diff := cmp.Diff(declared.Spec, live.Spec, cmpopts.EquateEmpty()); diff != "" {
			c.differ("the spec of profile %s is not what was declared: %s", name, diff)
		}
		c.checkStatus(live)
	}
}

func (c *check) checkStatus(profile *v1alpha1.SecurityProfile) {
	var want v1alpha1.NamespaceCounts
	total, history := profile.Status.PolicyDriftTotal, policyDrift(profile)
	for name, ns := range c.namespaces {
		selecting := c.w.model.selecting(name, ns.Labels[tierLabel])
		i := slices.IndexFunc(selecting, func(p *v1alpha1.SecurityProfile) bool { return p.Name == profile.Name })
		if _, ours := c.w.model.namespaces[name]; !ours || i < 0 {
			continue
		}
		if i > 0 {
			want.Overridden++
			continue
		}
		want.Selected++
		if report := c.reports[name]; report != nil {
			total += report.DriftTotal
			for _, entry := range report.Drift { // A report speaks of its own namespace, and a status says of which.
				entry.Namespace = report.Namespace
				history = append(history, entry)
			}
			countByState(&want, report)
		}
	}
	status := &profile.Status
	if status.Namespaces != want {
		c.differ("profile %s counts %+v, and it is %+v", profile.Name, status.Namespaces, want)
	}
	if status.ObservedGeneration != profile.Generation {
		c.differ("profile %s has observed generation %d of %d", profile.Name, status.ObservedGeneration, profile.Generation)
	}
	if status.DriftTotal != total {
		c.differ(
			"profile %s says that it had %d drifts, and its reports and policies come to %d",
			profile.Name,
			status.DriftTotal,
			total,
		)
	}
	c.checkHistory(profile, history)
	c.checkConditions(profile, want)
}

// checkConditions holds that the conditions follow from the counts.
func (c *check) checkConditions(profile *v1alpha1.SecurityProfile, counts v1alpha1.NamespaceCounts) {
	compliant := counts.Compliant == counts.Selected
	unpoliced := c.conflicted[profile.Name]
	// kube-controller-manager runs when the world is looked at: only a quota that is never counted
	// is left uncounted.
	stalled := unpoliced || counts.Failed+counts.Conflicted+counts.Uncounted > 0
	ready := !unpoliced &&
		(profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit || !stalled && counts.Drifted+counts.Blocked == 0)
	for condition, want := range map[string]bool{
		v1alpha1.ConditionCompliant: compliant, v1alpha1.ConditionReady: ready,
		v1alpha1.ConditionReconciling: !ready && !stalled, v1alpha1.ConditionStalled: !ready && stalled,
	} {
		if got := meta.IsStatusConditionTrue(profile.Status.Conditions, condition); got != want {
			c.differ("profile %s is %s=%t with %+v", profile.Name, condition, got, counts)
		}
	}
}

// checkHistory holds that the status has as many of the reports' drifts as fit, the newest, each as
// its report has it.
func (c *check) checkHistory(profile *v1alpha1.SecurityProfile, history []v1alpha1.DriftEntry) {
	slices.SortStableFunc(history, func(a, b v1alpha1.DriftEntry) int { return b.ObservedAt.Compare(a.ObservedAt.Time) })
	got := profile.Status.Drift
	if len(got) != min(len(history), v1alpha1.MaxDrift) {
		c.differ("profile %s holds %d drifts of %d", profile.Name, len(got), len(history))
		return
	}
	for i, entry := range got {
		known := slices.ContainsFunc(history, func(e v1alpha1.DriftEntry) bool { return cmp.Equal(e, entry) })
		if !known || !entry.ObservedAt.Equal(&history[i].ObservedAt) {
			c.differ("profile %s holds, as number %d, a drift that is not that of the reports: %+v", profile.Name, i, entry)
		}
	}
}

func countByState(counts *v1alpha1.NamespaceCounts, report *v1alpha1.NamespacePosture) {
	if slices.ContainsFunc(
		report.Drift,
		func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateContested },
	) {
		counts.Contested++
	}
	switch s := report.Summary; {
	case s.Failed > 0:
		counts.Failed++
	case s.Conflicted > 0:
		counts.Conflicted++
	case s.Drifted > 0:
		counts.Drifted++
	case s.Uncounted > 0:
		counts.Uncounted++
	case s.Blocked > 0:
		counts.Blocked++
	case len(report.FindingTotals) > 0:
		counts.Weakened++
	default:
		counts.Compliant++
	}
}

// checkNamespaces holds that each governed namespace holds what Render says, and every other
// nothing of ours.
func (c *check) checkNamespaces() {
	for name := range c.w.model.namespaces {
		if c.namespaces[name] == nil {
			c.differ("namespace %s is gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.namespaces)) {
		ns := c.namespaces[name]
		c.checkDecorated(name)
		var selecting []*v1alpha1.SecurityProfile
		if tier, ours := c.w.model.namespaces[name]; ours {
			if ns.Labels[tierLabel] != tier {
				c.differ("namespace %s has tier %q", name, ns.Labels[tierLabel])
			}
			selecting = c.w.model.selecting(name, tier)
		}
		if len(selecting) == 0 {
			c.checkUngoverned(ns)
			continue
		}
		if live := c.profiles[selecting[0].Name]; live != nil { // If not, that has been said.
			c.checkGoverned(ns, live)
		}
	}
}

// checkUngoverned holds that nothing in the namespace is any profile's. What a Retain profile has
// abandoned still says who made it, and no more.
func (c *check) checkUngoverned(ns *corev1.Namespace) {
	if profile, labelled := ns.Labels[v1alpha1.ProfileLabel]; labelled {
		c.differ("namespace %s, which nobody governs, bears the label of %s", ns.Name, profile)
	}
	if c.reports[ns.Name] != nil {
		c.differ("namespace %s, which nobody governs, has a report", ns.Name)
	}
	for _, o := range c.objects[ns.Name] {
		_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
		owned := slices.ContainsFunc(o.GetOwnerReferences(), drift.OwnedByProfile)
		if labelled || owned && !c.w.model.mayCountAsForeign(ns.UID, key(o.(client.Object))) {
			c.differ("%s is a profile's, in a namespace that nobody governs", key(o.(client.Object)))
		}
	}
}

// checkGoverned holds that the namespace has its baseline, and that its report tells the truth.
func (c *check) checkGoverned(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile) {
	desired := baseline.Render(profile, ns.Name)
	found := []baseline.Object{ns}
	for _, o := range c.objects[ns.Name] {
		_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
		wanted := slices.ContainsFunc(
			desired,
			func(want baseline.Object) bool { return baseline.Reference(want) == baseline.Reference(o) },
		)
		if labelled || wanted {
			found = append(found, o)
		} else if slices.ContainsFunc(o.GetOwnerReferences(), drift.OwnedByProfile) && !c.w.model.mayCountAsForeign(ns.UID, key(o.(client.Object))) {
			c.differ("%s is a profile's, and namespace %s is to have no such object", key(o.(client.Object)), ns.Name)
		}
	}
	states := statesAsDeclared(desired, found)
	for _, d := range drift.Compare(desired, found, drift.Ours) { // Roles come before what binds them.
		if c.mayWait(ns, profile, d) {
			states[d.Object] = v1alpha1.ObjectStateBlocked
			continue
		}
		states[d.Object] = c.stateOf(ns, profile, d)
		if bindsUnmanaged(profile, d, states) {
			states[d.Object] = v1alpha1.ObjectStateFailed
		}
		if states[d.Object] == v1alpha1.ObjectStateDrifted && profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce {
			c.differ(
				"%s %s in namespace %s of profile %s is %s: %v",
				d.Object.Kind,
				d.Object.Name,
				ns.Name,
				profile.Name,
				d.Change,
				d.Fields,
			)
		}
	}
	if c.rulesWait(ns, profile) {
		states[baseline.Reference(desired[0])] = v1alpha1.ObjectStateBlocked
	}
	c.checkReport(ns, profile, states)
}

// statesAsDeclared are what the report must say of objects that are as declared.
func statesAsDeclared(desired, found []baseline.Object) map[v1alpha1.ObjectReference]v1alpha1.ObjectState {
	states := map[v1alpha1.ObjectReference]v1alpha1.ObjectState{}
	for _, want := range desired {
		states[baseline.Reference(want)] = v1alpha1.ObjectStateCompliant
	}
	for _, o := range found {
		ref := baseline.Reference(o)
		if quota, ok := o.(*corev1.ResourceQuota); ok && states[ref] != "" && !counted(quota) {
			states[ref] = v1alpha1.ObjectStateUncounted
		}
	}
	return states
}

// stateOf is what the report must say of an object that differs.
func (c *check) stateOf(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile, d drift.Drift) v1alpha1.ObjectState {
	switch {
	case d.Foreign && !profile.Adopts():
		occupant, occupied := c.w.model.foreign[key(d.Got.(client.Object))]
		mayBe := c.w.model.mayCountAsForeign(ns.UID, key(d.Got.(client.Object)))
		if (!occupied || !occupant.occupies) && !mayBe {
			c.differ("%s %s in namespace %s was ours, and counts as another maker's", d.Object.Kind, d.Object.Name, ns.Name)
		}
		return v1alpha1.ObjectStateConflict
	case profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit:
		return v1alpha1.ObjectStateDrifted
	case d.Change == v1alpha1.DriftChangeMissing && isGreedy(d.Object):
		return v1alpha1.ObjectStateFailed
	}
	return v1alpha1.ObjectStateDrifted
}

// isGreedy recognises what the API server refuses: the greedy role and its binding.
func isGreedy(o v1alpha1.ObjectReference) bool {
	return o.APIVersion == rbacv1.SchemeGroupVersion.String() && o.Name == v1alpha1.NamePrefix+greedy
}

// bindsUnmanaged reports whether a drift is of our RoleBinding to a Role that counts as another
// maker's. It is neither made nor given further subjects, and where that Role holds more than the
// operator does, the API server refuses every correction of it.
func bindsUnmanaged(
	profile *v1alpha1.SecurityProfile, d drift.Drift, states map[v1alpha1.ObjectReference]v1alpha1.ObjectState,
) bool {
	binding, ok := d.Want.(*rbacv1.RoleBinding)
	if !ok || binding.RoleRef.Kind != "Role" || states[d.Object] != v1alpha1.ObjectStateDrifted ||
		profile.EffectiveEnforcement() != v1alpha1.EnforcementEnforce {
		return false
	}
	role := &rbacv1.Role{ObjectMeta: objectMeta(binding.Namespace, binding.RoleRef.Name)}
	return states[baseline.Reference(role)] == v1alpha1.ObjectStateConflict
}

func (c *check) checkReport(
	ns *corev1.Namespace,
	profile *v1alpha1.SecurityProfile,
	want map[v1alpha1.ObjectReference]v1alpha1.ObjectState,
) {
	report := c.reports[ns.Name]
	if report == nil {
		c.differ("namespace %s of profile %s has no report", ns.Name, profile.Name)
		return
	}
	if report.Profile != profile.Name || report.ProfileGeneration != profile.Generation ||
		report.Enforcement != profile.EffectiveEnforcement() {
		c.differ(
			"the report of namespace %s speaks of %s, generation %d, %s; it is %s, %d, %s",
			ns.Name,
			report.Profile,
			report.ProfileGeneration,
			report.Enforcement,
			profile.Name,
			profile.Generation,
			profile.EffectiveEnforcement(),
		)
	}
	got := map[v1alpha1.ObjectReference]v1alpha1.ObjectState{}
	ready := true
	for _, o := range report.Objects {
		got[o.ObjectReference] = o.State
		ready = ready && (o.State == v1alpha1.ObjectStateCompliant || o.State == v1alpha1.ObjectStateBlocked)
	}
	if !maps.Equal(got, want) {
		c.differ("the report of namespace %s is wrong: says %s, is %s", ns.Name, tell(got, want), tell(want, got))
	}
	if report.IsReady() != ready {
		c.differ("the report of namespace %s says ready=%t", ns.Name, report.IsReady())
	}
	c.checkOpenDrift(report, want)
	c.checkFindings(ns, profile, report)
}

// checkOpenDrift holds that what the history says is still so is so.
func (c *check) checkOpenDrift(
	report *v1alpha1.NamespacePosture,
	want map[v1alpha1.ObjectReference]v1alpha1.ObjectState,
) {
	for _, entry := range report.Drift {
		state, listed := want[entry.Object]
		open := entry.State == v1alpha1.DriftStatePresent || entry.State == v1alpha1.DriftStateContested
		if open &&
			(!listed || slices.Contains([]v1alpha1.ObjectState{v1alpha1.ObjectStateCompliant, v1alpha1.ObjectStateUncounted, v1alpha1.ObjectStateBlocked}, state)) {
			c.differ(
				"the report of namespace %s holds a drift of %s %s as %s",
				report.Namespace,
				entry.Object.Kind,
				entry.Object.Name,
				entry.State,
			)
		}
	}
}

// tell is what the one says that the other does not.
func tell(one, other map[v1alpha1.ObjectReference]v1alpha1.ObjectState) string {
	var parts []string
	for ref, state := range one {
		if other[ref] != state {
			parts = append(parts, ref.Kind+" "+ref.Name+" "+string(state))
		}
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, ", ") + "]"
}

// checkForeign holds that no object of another maker was ever changed: it is at the version at
// which it was made.
func (c *check) checkForeign() error {
	for id, o := range c.w.model.foreign {
		if o.occupies && (c.w.model.mayBeAdopted(o.namespaceUID) || o.GetNamespace() == "" && adoptsPolicies(o)) {
			continue
		}
		live := o.DeepCopyObject().(client.Object)
		err := c.w.admin.Get(c.w.ctx, client.ObjectKeyFromObject(o), live)
		switch {
		case apierrors.IsNotFound(err):
			c.differ("foreign object %s is gone", id)
		case err != nil:
			return err
		case !untouched(o.Object, live):
			c.differ("foreign object %s was changed", id)
		}
	}
	return nil
}
