package integration

import (
	"strings"
	"time"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// hostileTexts are texts that mean to be something else for whoever reads them in a terminal.
var hostileTexts = map[string]string{
	"a forged line":                "jane\nCritical\tPrivilegedBinding\tnone\tall is well",
	"a terminal's sequences":       "jane\x1b[2J\x1b]0;all is well\a\x1b[31m",
	"such of one character each":   "jane\u009b2J\u009d0;all is well\u009c",
	"a carriage return":            "jane\rall is well",
	"a turned direction":           "jane\u202ellew si lla\u2066",
	"what cannot be seen":          "jane\u200b\u2060\ufeff",
	"Unicode's own line breaks":    "jane\u2028Critical\u2029\u0085all is well",
	"characters beyond the planes": "jane\U000e0041\U000e0020",
}

// ExpectPrintable checks every text that the API server holds of an object, but for its metadata.
func ExpectPrintable(g Gomega, o runtime.Object) {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	g.Expect(err).NotTo(HaveOccurred())
	delete(content, "metadata")
	ExpectPrintableTexts(g, content)
}

func ExpectPrintableTexts(g Gomega, value any) {
	GinkgoHelper()
	switch v := value.(type) {
	case string:
		g.Expect(strings.IndexFunc(v, SteersTerminal)).To(Equal(-1), "%q", v)
		g.Expect(utf8.ValidString(v)).To(BeTrue(), "%q", v)
	case map[string]any:
		for _, item := range v {
			ExpectPrintableTexts(g, item)
		}
	case []any:
		for _, item := range v {
			ExpectPrintableTexts(g, item)
		}
	}
}

// ExpectAllPrintable waits until a namespace's report, its profile and all events of both say
// something of that, and nothing that steers.
func ExpectAllPrintable(profile *v1alpha1.SecurityProfile, namespace, reason, of string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		said := ""
		var events eventsv1.EventList
		g.Expect(admin.List(ctx, &events)).To(Succeed())
		for _, e := range events.Items {
			if e.ReportingController != "bulwark" || e.Regarding.Name != namespace && e.Regarding.Name != profile.Name {
				continue
			}
			e.ManagedFields = nil
			ExpectPrintable(g, &e)
			if e.Reason == reason {
				said += e.Note
			}
		}
		g.Expect(said).To(ContainSubstring(of))
		ExpectPrintable(g, ReportOn(g, namespace))
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		status := profile.DeepCopy()
		status.Spec = v1alpha1.SecurityProfileSpec{}
		ExpectPrintable(g, status)
	}).Should(Succeed())
}

// lines are what a documented command prints of a report.
func lines(namespace, template string) []string {
	GinkgoHelper()
	out, err := plane.Kubectl(ctx, "get", "nspost", "posture", "-n", namespace, "-o", "jsonpath="+template).Output()
	Expect(err).NotTo(HaveOccurred())
	Expect(
		strings.IndexFunc(strings.NewReplacer("\n", "", "\t", "").Replace(string(out)), SteersTerminal),
	).To(Equal(-1), "%q", out)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

const (
	documentedFindings = `{range .findings[*]}{.severity}{"\t"}{.id}{"\t"}{.object.name}{"\t"}{.message}{"\n"}{end}`
	documentedObjects  = `{range .objects[?(@.state=="Failed")]}{.kind}{" "}{.name}{": "}{.message}{"\n"}{end}`
)

var _ = Describe("What others have written", func() {
	for what, text := range hostileTexts {
		It("is quoted where people read it, if it holds "+what, func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			for _, name := range []string{"plain", text} {
				own := roleBinding(name, "admin", rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: text}, group(text))
				own.Namespace = namespace
				Expect(admin.Create(ctx, own)).To(Succeed())
			}
			Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).Findings).To(HaveLen(2)) }).Should(Succeed())
			Expect(lines(namespace, documentedFindings)).To(HaveExactElements(
				HavePrefix(
					"Critical\tPrivilegedBinding\tjane",
				),
				And(HavePrefix("Critical\tPrivilegedBinding\tplain\t"), ContainSubstring(`is given to "jane\`)),
			))
			ExpectAllPrintable(profile, namespace, v1alpha1.EventFinding, `is given to "jane\`)

			By("as a subject that somebody adds")
			Update(
				&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-viewers"}},
				func(b *rbacv1.RoleBinding) {
					b.Subjects = append(b.Subjects, group(text))
				},
			)
			EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.Object.Name == "bulwark-viewers" })
			ExpectAllPrintable(profile, namespace, v1alpha1.EventDrift, `"name":"jane`)

			By("as the name of an object with Bulwark's labels")
			forged := roleBinding(text, "view", group("own"))
			forged.Namespace, forged.Name = namespace, text+" bulwark"
			forged.Labels = map[string]string{v1alpha1.ProfileLabel: profile.Name, v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}
			Expect(admin.Create(ctx, forged)).To(Succeed())
			EventuallyGone(forged)
			entry := EventuallyDrift(
				namespace,
				func(e v1alpha1.DriftEntry) bool { return e.Change == v1alpha1.DriftChangeUnexpected },
			)
			Expect(entry.Object.Name).To(And(HavePrefix("jane"), ContainSubstring("…/")))
			ExpectAllPrintable(profile, namespace, v1alpha1.EventDrift, "bears Bulwark's labels")
			EventuallyQuiet()
		})
	}

	It("is quoted if it is the API server's words, or those of whoever refuses there", func() {
		text := "no\u202eeson\x1b[2J\u009b31m\u2028."
		refuseRolesSaying(text)
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			refused := p.Spec.RBAC.Roles[0].DeepCopy()
			refused.Name = "refused"
			p.Spec.RBAC.Roles = append(p.Spec.RBAC.Roles, *refused)
		})
		failed := EventuallyObject(namespace, "Role", "bulwark-refused", v1alpha1.ObjectStateFailed)
		Expect(failed.Message).To(ContainSubstring(`no\u202eeson\u001b[2J\u009b31m\u2028.`))
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		ExpectAllPrintable(profile, namespace, v1alpha1.EventFailed, `no\u202eeson`)
		Expect(lines(namespace, documentedObjects)).To(HaveEach(MatchRegexp("^Role(Binding)? bulwark-refused: ")))
	})

	It("is quoted if it is the profile's own author's", func() {
		name := "role\x1b[2J\nCritical"
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC.Bindings[0].ClusterRole = name
			p.Spec.RBAC.Bindings[0].Subjects[0].Name = "on-call\u202e"
		})
		Expect(
			EventuallyObject(namespace, "RoleBinding", "bulwark-viewers", v1alpha1.ObjectStateFailed).Message,
		).To(ContainSubstring("not found"))
		ExpectAllPrintable(profile, namespace, v1alpha1.EventFailed, "not found")
		Expect(lines(namespace, documentedObjects)).To(HaveExactElements(HavePrefix("RoleBinding bulwark-viewers: ")))

		clusterRole(name, nil, permits("", "limitranges", "up\ndate\x1b[2J"))
		Eventually(func(g Gomega) {
			g.Expect(lines(namespace, documentedObjects)).
				To(HaveExactElements(ContainSubstring(`"up\ndate\x1b[2J" on limitranges`)))
		}).Should(Succeed())
	})

	It("is quoted and bounded if it is what an event is about", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.PodSecurity = nil
			p.Spec.Workloads = &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire}
		})
		EventuallyEstablished(profile, namespace)
		words := `pods "x" is forbidden: ValidatingAdmissionPolicy 'bulwark-` + profile.Name + `-workloads' with binding 'bulwark-` + profile.Name +
			`-workloads' denied request: because`
		for _, about := range []corev1.ObjectReference{
			{Kind: "CronJob", Namespace: namespace, Name: "cron\x1b[2J\nCritical"},
			{Kind: "CronJob", Namespace: namespace, Name: strings.Repeat("cron", 200)},
		} {
			Expect(admin.Create(ctx, &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, GenerateName: "forged-"},
				InvolvedObject: about, Reason: "FailedCreate", Message: words + "\u202e" + " it is so", LastTimestamp: metav1.Now(),
			})).To(Succeed())
		}
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Findings).To(ContainElements(
				And(HaveField("Object.Kind", "CronJob"), HaveField("Object.Name", HavePrefix(`cron\u001b[2J\nCritical`))),
				And(HaveField("Object.Kind", "CronJob"), HaveField("Object.Name", HavePrefix(strings.Repeat("cron", 50)))),
			))
		}).Should(Succeed())
		ExpectAllPrintable(profile, namespace, v1alpha1.EventFinding, "its pods do not come")
	})

	It("is quoted if somebody writes it into a report", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		report := ReportOn(Default, namespace)
		Update(report, func(r *v1alpha1.NamespacePosture) {
			r.Drift = append(r.Drift, v1alpha1.DriftEntry{
				Object:     baseline.Reference(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-developer"}}),
				Change:     v1alpha1.DriftChangeModified,
				Manager:    "ku\x1b[2J\nbectl",
				State:      v1alpha1.DriftStateCorrected,
				ObservedAt: metav1.NewTime(time.Now()),
				Fields:     []v1alpha1.FieldDrift{{Path: "ru\nles", Got: "\u202ex"}},
			})
			r.DriftTotal++
		})
		Eventually(func(g Gomega) { ExpectPrintable(g, ReportOn(g, namespace)) }).Should(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			ExpectPrintable(g, &v1alpha1.SecurityProfile{Status: profile.Status})
		}).Should(Succeed())
		EventuallyQuiet()
	})
})

// refuseRolesSaying has the API server refuse the Role bulwark-refused with these words.
func refuseRolesSaying(text string) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Name: "refuse-roles"}
	ExpectCreated(
		&admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{
					ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
						RuleWithOperations: admissionregistrationv1.RuleWithOperations{
							Operations: []admissionregistrationv1.OperationType{"CREATE"},
							Rule: admissionregistrationv1.Rule{
								APIGroups:   []string{rbacv1.GroupName},
								APIVersions: []string{"v1"},
								Resources:   []string{"roles"},
							},
						},
					}},
				},
				Validations: []admissionregistrationv1.Validation{{Expression: `request.name != "bulwark-refused"`, Message: text}},
			},
		},
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: meta.Name, ValidationActions: []admissionregistrationv1.ValidationAction{"Deny"},
			},
		},
	)
	DeferCleanup(func() {
		Expect(admin.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta})).To(Succeed())
		Expect(admin.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta})).To(Succeed())
	})
	Eventually(func() error {
		return admin.Create(
			ctx,
			&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bulwark-refused"}},
			client.DryRunAll,
		)
	}).Should(MatchError(ContainSubstring(meta.Name)))
}
