package findings

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Refusal is why a pod was refused, in so far as a baseline can be the reason. Its words hold no
// name of a pod and no amount in use, so that each further try says the same.
type Refusal struct {
	// By is what refused it: a rule (the name of an admission policy), a quota (its name), a level
	// of Pod Security, or limits.
	By   RefusedBy
	Name string
	// Words say what it refused.
	Words string
}

// RefusedBy is a part of a baseline that refuses pods.
type RefusedBy string

// The parts of a baseline that refuse pods.
const (
	ByPolicy      RefusedBy = "ValidatingAdmissionPolicy"
	ByQuota       RefusedBy = "ResourceQuota"
	ByPodSecurity RefusedBy = "PodSecurity"
	ByLimits      RefusedBy = "LimitRange"
)

// The API server's words: Kubernetes' own, of 1.37.
var (
	policyRefuses = regexp.MustCompile(
		`(?s)ValidatingAdmissionPolicy '([^']+)' (?:with binding '[^']*' )?denied request: (.*)`,
	)
	quotaExceeded = regexp.MustCompile(`exceeded quota: ([^,\s]+), requested: (.*), used: .*, limited: (.*)`)
	quotaFailed   = regexp.MustCompile(`failed quota: ([^:\s]+): (.*)`)
	levelRefuses  = regexp.MustCompile(`violates PodSecurity "([^"]+)": (.*)`)
	limitsRefuse  = regexp.MustCompile(
		`(?:(?:minimum|maximum) \S+ usage per|\S+ max limit to request ratio per|must be less than or equal to \S+ limit of) .*`,
	)
)

// RefusalOf is why the API server refused a pod, by its message; false if no part of a baseline can
// be the reason.
func RefusalOf(message string) (Refusal, bool) {
	refusal := func(by RefusedBy, name, words string) (Refusal, bool) {
		return Refusal{
			By:    by,
			Name:  printable.Cut(name, maxText),
			Words: printable.Cut(strings.TrimRight(words, "]"), maxRefusal),
		}, true
	}
	if m := policyRefuses.FindStringSubmatch(message); m != nil {
		return refusal(ByPolicy, m[1], m[2])
	}
	if m := quotaExceeded.FindStringSubmatch(message); m != nil {
		return refusal(ByQuota, m[1], fmt.Sprintf("each pod asks for %s, and there may be %s", m[2], m[3]))
	}
	if m := quotaFailed.FindStringSubmatch(message); m != nil {
		return refusal(ByQuota, m[1], m[2])
	}
	if m := levelRefuses.FindStringSubmatch(message); m != nil {
		return refusal(ByPodSecurity, m[1], m[2])
	}
	if words := limitsRefuse.FindString(message); words != "" {
		return refusal(ByLimits, "", words)
	}
	return Refusal{}, false
}

const maxRefusal = 512

// FailedCreate is the reason by which Kubernetes' controllers tell, in an event or a condition,
// that a pod could not be made.
const FailedCreate = "FailedCreate"

// Attempt is that a controller could not make a pod.
type Attempt struct {
	// Workload is whose pod it is, as Kind/name.
	Workload string
	// Refusal is empty if no part of a baseline can be the reason: then another attempt's is not
	// the reason any more.
	Refusal
	At time.Time
}

// AttemptOf is the attempt that an event tells of; false if it tells of something else.
func AttemptOf(e *corev1.Event) (Attempt, bool) {
	if e.Reason != FailedCreate || !slices.Contains(workloadKinds, e.InvolvedObject.Kind) {
		return Attempt{}, false
	}
	a := Attempt{Workload: e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name, At: e.LastTimestamp.Time}
	if e.Series != nil {
		a.At = e.Series.LastObservedTime.Time
	}
	if a.At.IsZero() {
		a.At = e.EventTime.Time
	}
	a.Refusal, _ = RefusalOf(e.Message)
	return a, true
}

// cronJob makes Jobs and no pods, and has no state that tells whether the last one came: its latest
// attempt does.
const cronJob = "CronJob"

var workloadKinds = []string{cronJob, "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job"}

// Shortage is that a workload has fewer pods than it is to have.
type Shortage struct {
	// Workload is the object that makes the pods, as Kind/name; Object is what people change: the
	// Deployment of a ReplicaSet.
	Workload string
	Object   v1alpha1.ObjectReference
	// Refusal is what the workload's own condition says, which is what the first of its attempts
	// met with.
	Refusal
}

// shortage is that of a workload, which may be owned by another.
func shortage(apiVersion, kind string, o metav1.Object) Shortage {
	s := Shortage{
		Workload: kind + "/" + o.GetName(),
		Object:   v1alpha1.ObjectReference{APIVersion: apiVersion, Kind: kind, Name: o.GetName()},
	}
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
		s.Object = v1alpha1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name}
	}
	return s
}

// ReplicaSetShortage is that of a ReplicaSet which says itself that it cannot make a pod. Others
// are short of pods at each roll-out, for a moment.
func ReplicaSetShortage(rs *appsv1.ReplicaSet) (Shortage, bool) {
	i := slices.IndexFunc(rs.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
		return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue && c.Reason == FailedCreate
	})
	if i < 0 || rs.Status.Replicas >= ptr.Deref(rs.Spec.Replicas, 1) {
		return Shortage{}, false
	}
	s := shortage("apps/v1", "ReplicaSet", rs)
	s.Refusal, _ = RefusalOf(rs.Status.Conditions[i].Message)
	return s, true
}

// ReplicationControllerShortage is that of a ReplicationController which says itself that it cannot
// make a pod.
func ReplicationControllerShortage(rc *corev1.ReplicationController) (Shortage, bool) {
	i := slices.IndexFunc(rc.Status.Conditions, func(c corev1.ReplicationControllerCondition) bool {
		return c.Type == corev1.ReplicationControllerReplicaFailure && c.Status == corev1.ConditionTrue &&
			c.Reason == FailedCreate
	})
	if i < 0 || rc.Status.Replicas >= ptr.Deref(rc.Spec.Replicas, 1) {
		return Shortage{}, false
	}
	s := shortage("v1", "ReplicationController", rc)
	s.Refusal, _ = RefusalOf(rc.Status.Conditions[i].Message)
	return s, true
}

// StatefulSetShortage is that of a StatefulSet, which has no condition for it: why is in its
// events.
func StatefulSetShortage(set *appsv1.StatefulSet) (Shortage, bool) {
	return shortage("apps/v1", "StatefulSet", set), set.Status.Replicas < ptr.Deref(set.Spec.Replicas, 1)
}

// DaemonSetShortage is that of a DaemonSet, which has no condition for it: why is in its events.
func DaemonSetShortage(set *appsv1.DaemonSet) (Shortage, bool) {
	return shortage("apps/v1", "DaemonSet", set), set.Status.CurrentNumberScheduled < set.Status.DesiredNumberScheduled
}

// JobShortage is that of a Job that has not ended, which has no condition for it: why is in its
// events.
func JobShortage(job *batchv1.Job) (Shortage, bool) {
	ended := slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
	})
	want := ptr.Deref(job.Spec.Parallelism, 1)
	if job.Spec.Completions != nil {
		want = min(want, *job.Spec.Completions-job.Status.Succeeded)
	} else if job.Status.Succeeded > 0 {
		want = 0
	}
	return shortage("batch/v1", "Job", job), !ended && !ptr.Deref(job.Spec.Suspend, false) && job.Status.Active < want
}

// refused finds workloads whose pods a part of the baseline refuses.
func (j *judge) refused(facts *Facts) {
	if len(facts.Shortages)+len(facts.Attempts) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDWorkloadNotAdmitted) {
		return
	}
	latest := LatestAttempts(facts.Attempts)
	shortages := map[string]Shortage{}
	maps.Copy(shortages, facts.Shortages)
	for workload := range latest {
		if kind, name, _ := strings.Cut(workload, "/"); kind == cronJob {
			object := v1alpha1.ObjectReference{APIVersion: "batch/v1", Kind: kind, Name: name}
			shortages[workload] = Shortage{Workload: workload, Object: object}
		}
	}
	found := map[v1alpha1.ObjectReference]bool{}
	for _, key := range sortedKeys(shortages) {
		short := shortages[key]
		refusal := short.Refusal
		if attempt, told := latest[short.Workload]; told {
			refusal = attempt.Refusal
		}
		source, remedy, ours := j.source(&refusal)
		if !ours || found[short.Object] {
			continue
		}
		found[short.Object] = true
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDWorkloadNotAdmitted, Severity: v1alpha1.SeverityMedium, Object: short.Object,
			Message: fmt.Sprintf("its pods do not come, since %s refuses them: %s", source, refusal.Words),
			Remedy:  remedy,
		})
	}
}

// LatestAttempts are the last attempts of each workload.
func LatestAttempts(attempts map[string]Attempt) map[string]Attempt {
	latest := map[string]Attempt{}
	for _, name := range sortedKeys(attempts) {
		a := attempts[name]
		if before, known := latest[a.Workload]; !known || a.At.After(before.At) {
			latest[a.Workload] = a
		}
	}
	return latest
}

// source is the part of this baseline that refused, with the remedy; false if the profile does not
// declare it. The gate in front of a baseline is none of it: it opens by itself.
func (j *judge) source(r *Refusal) (source, remedy string, declared bool) {
	const sidecar = "; a container that is not in its own template is put in by a mutating webhook or policy: have that comply, or exclude the workload from it"
	spec := &j.profile.Spec
	switch r.By {
	case ByPolicy:
		return "the rule " + r.Name, "change what the rule names, in the pod template or in spec.workloads and spec.images of the profile" + sidecar,
			admission.JudgesPods(
				j.profile.Name,
				r.Name,
			)
	case ByQuota:
		return "ResourceQuota " + r.Name, "let the workload ask for less, end what else runs in the namespace, or raise spec.quotas in the profile",
			slices.ContainsFunc(
				spec.Quotas,
				func(q v1alpha1.Quota) bool { return v1alpha1.NamePrefix+string(q.Name) == r.Name },
			)
	case ByPodSecurity:
		_, enforced := LevelOf(j.profile)
		return "Pod Security " + r.Name, "change the security context in the pod template, or spec.podSecurity in the profile" + sidecar, enforced
	case ByLimits:
		return "a LimitRange", "set requests and limits in the pod template that keep to it, or change spec.limits in the profile" + sidecar,
			len(
				spec.Limits,
			) > 0
	}
	return "", "", false
}
