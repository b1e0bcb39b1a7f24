package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// eventNotes are what the operator's events on an object say.
func eventNotes(kind, name string) []string {
	GinkgoHelper()
	events := &eventsv1.EventList{}
	Expect(admin.List(ctx, events)).To(Succeed())
	var notes []string
	for _, e := range events.Items {
		if e.ReportingController == "bulwark" && e.Regarding.Kind == kind && e.Regarding.Name == name {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

var _ = Describe("A Role of what there is not", func() {
	roleOf := func(rules ...v1alpha1.PolicyRule) func(*v1alpha1.SecurityProfile) {
		return func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Roles[0].Rules = rules }
	}
	get := func(groups, resources []string) v1alpha1.PolicyRule {
		return v1alpha1.PolicyRule{APIGroups: groups, Resources: resources, Verbs: []string{"get"}}
	}

	DescribeTable(
		"says so, and does not advise to grant more:",
		func(want string, rules ...v1alpha1.PolicyRule) {
			profile, namespace := Governed(roleOf(rules...))
			role := EventuallyObject(namespace, "Role", "bulwark-developer", v1alpha1.ObjectStateFailed)
			Expect(
				role.Message,
			).To(And(ContainSubstring("no such resource: "), ContainSubstring(want), Not(ContainSubstring("remedy"))))
			Eventually(
				func() []string { return eventNotes("Namespace", namespace) },
			).Should(ContainElement(ContainSubstring(want)))

			By("healing when the profile is mended")
			Update(profile, roleOf(get(nil, []string{"pods"})))
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
		},
		Entry("a singular", "there is no resource pod in the core group; pods?", get(nil, []string{"pods", "pod"})),
		Entry(
			"a resource of another group",
			"there is no resource deployments in the core group; deployments in apps?",
			get(nil, []string{"deployments"}),
		),
		Entry("a short name", "there is no resource deploy in apps; deployments?", get([]string{"apps"}, []string{"deploy"})),
		Entry(
			"a subresource",
			"there is no resource pods/logs in the core group; pods/log?",
			get([]string{""}, []string{"pods/logs"}),
		),
		Entry(
			"a group by its first part",
			"there is no API group networking; networking.k8s.io?",
			get([]string{"networking"}, []string{"ingresses"}),
		),
		Entry(
			"several at once",
			"there is no resource jobs in apps; jobs in batch?",
			get([]string{"apps"}, []string{"jobs"}),
			get(nil, []string{"service"}),
		),
	)

	It("has the words for a missing permission once the resource is there", thatWaitsLong, func() {
		const group = "late.example.com"
		_, namespace := Governed(roleOf(get([]string{group}, []string{"widgets"})))
		role := EventuallyObject(namespace, "Role", "bulwark-developer", v1alpha1.ObjectStateFailed)
		Expect(role.Message).To(ContainSubstring("there is no API group " + group))
		crd := &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: "widgets." + group},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: group,
				Scope: apiextensionsv1.NamespaceScoped,
				Names: apiextensionsv1.CustomResourceDefinitionNames{
					Plural:   "widgets",
					Singular: "widget",
					Kind:     "Widget",
					ListKind: "WidgetList",
				},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{
					{Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{
						OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"},
					}},
				},
			},
		}
		crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
		Expect(err).NotTo(HaveOccurred())
		object := &unstructured.Unstructured{Object: content}
		Expect(admin.Create(ctx, object)).To(Succeed())
		DeferCleanup(func() { Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed()) })
		Eventually(func(g Gomega) {
			for _, o := range ReportOn(g, namespace).Objects {
				if o.Kind == "Role" {
					g.Expect(o.Message).
						To(And(ContainSubstring("remedy: to let profiles grant these rules"), Not(ContainSubstring("no such resource"))))
				}
			}
		}).WithTimeout(100 * time.Second).Should(Succeed())
	})
})
