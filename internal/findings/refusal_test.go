package findings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	byRule = `pods "web-6c7d-x2x4f" is forbidden: ValidatingAdmissionPolicy 'bulwark-restricted-workloads' with binding ` +
		`'bulwark-restricted-workloads' denied request: requireProbesLiveness: container proxy must have a livenessProbe`
	byQuota = `pods "web-6c7d-x2x4f" is forbidden: exceeded quota: bulwark-compute, requested: pods=1, used: pods=17, limited: pods=17`
	byLevel = `pods "web-0" is forbidden: violates PodSecurity "restricted:v1.37": host namespaces (hostNetwork=true)`
	byLimit = `pods "web-6c7d-x2x4f" is forbidden: maximum cpu usage per Container is 1, but limit is 3`
)

func TestRefusalOf(t *testing.T) {
	for sentence, tc := range map[string]struct {
		message string
		want    Refusal
	}{
		"a rule":                     {byRule, Refusal{ByPolicy, "bulwark-restricted-workloads", "requireProbesLiveness: container proxy must have a livenessProbe"}},
		"a rule, of an event":        {"Error creating: " + byRule, Refusal{ByPolicy, "bulwark-restricted-workloads", "requireProbesLiveness: container proxy must have a livenessProbe"}},
		"a quota":                    {byQuota, Refusal{ByQuota, "bulwark-compute", "each pod asks for pods=1, and there may be pods=17"}},
		"a quota of several amounts": {`x is forbidden: exceeded quota: q, requested: cpu=1,pods=1, used: cpu=2,pods=2, limited: cpu=2,pods=2`, Refusal{ByQuota, "q", "each pod asks for cpu=1,pods=1, and there may be cpu=2,pods=2"}},
		"a quota that wants amounts": {`x is forbidden: failed quota: bulwark-compute: must specify limits.cpu for: web`, Refusal{ByQuota, "bulwark-compute", "must specify limits.cpu for: web"}},
		"a level":                    {byLevel, Refusal{ByPodSecurity, "restricted:v1.37", "host namespaces (hostNetwork=true)"}},
		"a level, of a StatefulSet":  {"create Pod web-0 in StatefulSet web failed error: " + byLevel, Refusal{ByPodSecurity, "restricted:v1.37", "host namespaces (hostNetwork=true)"}},
		"a level, of many events":    {"(combined from similar events): Error creating: " + byLevel, Refusal{ByPodSecurity, "restricted:v1.37", "host namespaces (hostNetwork=true)"}},
		"a limit":                    {byLimit, Refusal{By: ByLimits, Words: "maximum cpu usage per Container is 1, but limit is 3"}},
		"limits": {
			`pods "x" is forbidden: [maximum cpu usage per Container is 1, but limit is 3, minimum memory usage per Pod is 1Gi, but request is 1Mi]`,
			Refusal{By: ByLimits, Words: "maximum cpu usage per Container is 1, but limit is 3, minimum memory usage per Pod is 1Gi, but request is 1Mi"},
		},
		"a ratio": {`pods "x" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000`, Refusal{By: ByLimits, Words: "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"}},
		"a default limit below the request": {
			`Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal to memory limit of 512Mi`,
			Refusal{By: ByLimits, Words: "must be less than or equal to memory limit of 512Mi"},
		},
		"a webhook":         {message: `admission webhook "x.example.com" denied the request: no`},
		"a missing account": {message: `pods "web-" is forbidden: error looking up service account shop/app: serviceaccount "app" not found`},
		"nothing":           {},
	} {
		got, refused := RefusalOf(tc.message)
		if diff := cmp.Diff(tc.want, got); diff != "" || refused != (tc.want != Refusal{}) {
			t.Errorf("%s: refused %t (-want +got):\n%s", sentence, refused, diff)
		}
	}
	if got, _ := RefusalOf(
		`denied: ValidatingAdmissionPolicy 'p' denied request: ` + strings.Repeat("x", 5000),
	); len(
		got.Words,
	) > maxRefusal+len(
		"…",
	) {
		t.Errorf("%d characters are kept", len(got.Words))
	}
}

func owned(name, kind, owner string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{
		{
			APIVersion: "v1",
			Kind:       "Other",
			Name:       "other",
		},
		{APIVersion: "apps/v1", Kind: kind, Name: owner, Controller: ptr.To(true)},
	}}
}

func TestShortages(t *testing.T) {
	failing := func(reason, message string) appsv1.ReplicaSetStatus {
		return appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{
			{
				Type:   "Other",
				Status: "True",
				Reason: FailedCreate,
			},
			{Type: "ReplicaFailure", Status: "True", Reason: reason, Message: message},
		}}
	}
	one := func(s Shortage, short bool) *Shortage {
		if !short {
			return nil
		}
		return &s
	}
	deployment := v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	refusal, _ := RefusalOf(byLevel)
	for sentence, tc := range map[string]struct{ want, got *Shortage }{
		"a ReplicaSet that fails": {
			&Shortage{"ReplicaSet/web-1", deployment, refusal},
			one(ReplicaSetShortage(&appsv1.ReplicaSet{ObjectMeta: owned("web-1", "Deployment", "web"), Status: failing(FailedCreate, byLevel)})),
		},
		"a ReplicaSet that fails at something else": {
			&Shortage{"ReplicaSet/web-1", deployment, Refusal{}},
			one(ReplicaSetShortage(&appsv1.ReplicaSet{ObjectMeta: owned("web-1", "Deployment", "web"), Status: failing(FailedCreate, "no")})),
		},
		"a ReplicaSet that cannot delete":      {nil, one(ReplicaSetShortage(&appsv1.ReplicaSet{Status: failing("FailedDelete", byLevel)}))},
		"a ReplicaSet that says nothing":       {nil, one(ReplicaSetShortage(&appsv1.ReplicaSet{}))},
		"a ReplicaSet that is to have no pods": {nil, one(ReplicaSetShortage(&appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](0)}, Status: failing(FailedCreate, byLevel)}))},
		"a ReplicationController that fails": {
			&Shortage{"ReplicationController/web", v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ReplicationController", Name: "web"}, refusal},
			one(ReplicationControllerShortage(&corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Status: corev1.ReplicationControllerStatus{
				Conditions: []corev1.ReplicationControllerCondition{{Type: "ReplicaFailure", Status: "True", Reason: FailedCreate, Message: byLevel}}}})),
		},
		"a ReplicationController that says nothing": {nil, one(ReplicationControllerShortage(&corev1.ReplicationController{}))},
		"a StatefulSet without its pods": {
			&Shortage{Workload: "StatefulSet/db", Object: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db"}},
			one(StatefulSetShortage(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}})),
		},
		"a StatefulSet with its pods": {nil, one(StatefulSetShortage(&appsv1.StatefulSet{Status: appsv1.StatefulSetStatus{Replicas: 1}}))},
		"a DaemonSet without a pod": {
			&Shortage{Workload: "DaemonSet/log", Object: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "log"}},
			one(DaemonSetShortage(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "log"}, Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 1}})),
		},
		"a DaemonSet with its pods": {nil, one(DaemonSetShortage(&appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2}}))},
		"a Job without a pod, of a CronJob": {
			&Shortage{Workload: "Job/sum-1", Object: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "CronJob", Name: "sum"}},
			one(JobShortage(&batchv1.Job{ObjectMeta: owned("sum-1", "CronJob", "sum")})),
		},
		"a Job with its pod":    {nil, one(JobShortage(&batchv1.Job{Status: batchv1.JobStatus{Active: 1}}))},
		"a Job that is paused":  {nil, one(JobShortage(&batchv1.Job{Spec: batchv1.JobSpec{Suspend: ptr.To(true)}}))},
		"a Job that has ended":  {nil, one(JobShortage(&batchv1.Job{Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: "True"}}}}))},
		"a Job with two to do":  {&Shortage{Workload: "Job/", Object: v1alpha1.ObjectReference{APIVersion: "batch/v1", Kind: "Job"}}, one(JobShortage(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](3), Completions: ptr.To[int32](5)}, Status: batchv1.JobStatus{Active: 1, Succeeded: 3}}))},
		"a Job with one to do":  {nil, one(JobShortage(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](3), Completions: ptr.To[int32](5)}, Status: batchv1.JobStatus{Active: 1, Succeeded: 4}}))},
		"a queue's Job, at end": {nil, one(JobShortage(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](3)}, Status: batchv1.JobStatus{Active: 1, Succeeded: 1}}))},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestAttemptOf(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	event := func(change func(*corev1.Event)) *corev1.Event {
		e := &corev1.Event{
			InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Name: "db"}, Reason: FailedCreate, LastTimestamp: at,
			Message: "create Pod db-0 in StatefulSet db failed error: " + byLevel,
		}
		change(e)
		return e
	}
	refusal, _ := RefusalOf(byLevel)
	for sentence, tc := range map[string]struct {
		event *corev1.Event
		want  Attempt
	}{
		"a pod that was refused":            {event(func(*corev1.Event) {}), Attempt{"StatefulSet/db", refusal, at.Time}},
		"one of an event of the newer kind": {event(func(e *corev1.Event) { e.LastTimestamp, e.EventTime = metav1.Time{}, metav1.NewMicroTime(at.Time) }), Attempt{"StatefulSet/db", refusal, at.Time}},
		"one of a series": {event(func(e *corev1.Event) {
			e.LastTimestamp, e.Series = metav1.Time{}, &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(at.Time)}
		}), Attempt{"StatefulSet/db", refusal, at.Time}},
		"a pod that failed for another reason": {event(func(e *corev1.Event) { e.Message = "no" }), Attempt{Workload: "StatefulSet/db", At: at.Time}},
		"another reason":                       {event: event(func(e *corev1.Event) { e.Reason = "FailedMount" })},
		"another kind":                         {event: event(func(e *corev1.Event) { e.InvolvedObject.Kind = "Pod" })},
	} {
		got, any := AttemptOf(tc.event)
		if diff := cmp.Diff(tc.want, got); diff != "" || any != (tc.want.Workload != "") {
			t.Errorf("%s: %t (-want +got):\n%s", sentence, any, diff)
		}
	}
}

func TestWorkloadNotAdmitted(t *testing.T) {
	short := func(workload, message string) map[string]Shortage {
		refusal, _ := RefusalOf(message)
		object := v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
		return map[string]Shortage{workload: {Workload: workload, Object: object, Refusal: refusal}}
	}
	attempt := func(workload, message string, second int) Attempt {
		refusal, _ := RefusalOf(message)
		return Attempt{Workload: workload, Refusal: refusal, At: time.Unix(int64(second), 0)}
	}
	everything := v1alpha1.SecurityProfileSpec{
		PodSecurity: &v1alpha1.PodSecurity{Enforce: "restricted"}, Limits: []v1alpha1.LimitRangeItem{{Type: "Container"}},
		Quotas: []v1alpha1.Quota{{Name: "compute"}},
	}
	rule := "the rule bulwark-restricted-workloads refuses them: requireProbesLiveness: container proxy must have a livenessProbe"
	level := "Pod Security restricted:v1.37 refuses them: host namespaces (hostNetwork=true)"
	for sentence, tc := range map[string]struct {
		spec  v1alpha1.SecurityProfileSpec
		facts Facts
		want  string
	}{
		"a rule of this profile":                    {everything, Facts{Shortages: short("ReplicaSet/web-1", byRule)}, rule},
		"a rule of another profile":                 {everything, Facts{Shortages: short("ReplicaSet/web-1", strings.ReplaceAll(byRule, "-restricted-", "-other-"))}, ""},
		"a rule of another maker":                   {everything, Facts{Shortages: short("ReplicaSet/web-1", strings.ReplaceAll(byRule, "bulwark-", ""))}, ""},
		"the gate in front of the baseline":         {everything, Facts{Shortages: short("ReplicaSet/web-1", strings.ReplaceAll(byRule, "-workloads", "-pods-wait-for-baseline"))}, ""},
		"a declared quota":                          {everything, Facts{Shortages: short("ReplicaSet/web-1", byQuota)}, "ResourceQuota bulwark-compute refuses them: each pod asks for pods=1, and there may be pods=17"},
		"a quota of another maker":                  {everything, Facts{Shortages: short("ReplicaSet/web-1", strings.ReplaceAll(byQuota, "bulwark-", ""))}, ""},
		"a declared level":                          {everything, Facts{Shortages: short("ReplicaSet/web-1", byLevel)}, level},
		"a level that is not declared":              {v1alpha1.SecurityProfileSpec{}, Facts{Shortages: short("ReplicaSet/web-1", byLevel)}, ""},
		"declared limits":                           {everything, Facts{Shortages: short("ReplicaSet/web-1", byLimit)}, "a LimitRange refuses them: maximum cpu usage per Container is 1, but limit is 3"},
		"limits that are not declared":              {v1alpha1.SecurityProfileSpec{}, Facts{Shortages: short("ReplicaSet/web-1", byLimit)}, ""},
		"something else":                            {everything, Facts{Shortages: short("ReplicaSet/web-1", "no")}, ""},
		"an event without a workload that is short": {everything, Facts{Attempts: map[string]Attempt{"e": attempt("StatefulSet/web", byLevel, 1)}}, ""},
		"an event of a workload that is short": {everything, Facts{
			Shortages: short("StatefulSet/web", ""), Attempts: map[string]Attempt{"e": attempt("StatefulSet/web", byLevel, 1)}}, level},
		"an event of another workload": {everything, Facts{
			Shortages: short("StatefulSet/web", ""), Attempts: map[string]Attempt{"e": attempt("DaemonSet/web", byLevel, 1)}}, ""},
		"the last event is what counts": {everything, Facts{Shortages: short("StatefulSet/web", ""), Attempts: map[string]Attempt{
			"a": attempt("StatefulSet/web", byQuota, 1), "b": attempt("StatefulSet/web", byLevel, 3), "c": attempt("StatefulSet/web", byRule, 2)}}, level},
		"the last event is of something else": {everything, Facts{Shortages: short("ReplicaSet/web-1", byLevel), Attempts: map[string]Attempt{
			"a": attempt("ReplicaSet/web-1", byLevel, 1), "b": attempt("ReplicaSet/web-1", "no", 2)}}, ""},
		"an event is newer than a condition": {everything, Facts{
			Shortages: short("ReplicaSet/web-1", byRule), Attempts: map[string]Attempt{"e": attempt("ReplicaSet/web-1", byLevel, 1)}}, level},
		"the profile ignores it": {
			v1alpha1.SecurityProfileSpec{PodSecurity: everything.PodSecurity, Findings: &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{"WorkloadNotAdmitted"}}},
			Facts{Shortages: short("ReplicaSet/web-1", byLevel)}, ""},
	} {
		var want, got []string
		if tc.want != "" {
			want = []string{"Medium WorkloadNotAdmitted Deployment/web", "its pods do not come, since " + tc.want}
		}
		for _, f := range judged(tc.spec, tc.facts) {
			got = append(got, brief([]v1alpha1.Finding{f})[0], f.Message)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
	two := short("ReplicaSet/web-1", byLevel)
	two["ReplicaSet/web-2"] = short("ReplicaSet/web-2", byLevel)["ReplicaSet/web-2"]
	if found := judged(everything, Facts{Shortages: two}); len(found) != 1 {
		t.Errorf("of two ReplicaSets of one Deployment: %v", brief(found))
	}
	cron := judged(everything, Facts{Attempts: map[string]Attempt{"e": attempt("CronJob/sum", byRule, 1)}})
	if diff := cmp.Diff([]string{"Medium WorkloadNotAdmitted CronJob/sum"}, brief(cron)); diff != "" {
		t.Errorf("of a CronJob (-want +got):\n%s", diff)
	}
}
