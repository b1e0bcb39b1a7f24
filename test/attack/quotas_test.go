package attack

import (
	"sync"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// quantities is a list of pairs of resource name and quantity.
func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func labelsOf(o client.Object) labels.Set { return labels.Set(o.GetLabels()) }

// maxPods is what the profile's quota allows.
const maxPods = 10

func podsIn(namespace string) int {
	pods := &corev1.PodList{}
	Expect(admin.List(ctx, pods, client.InNamespace(namespace))).To(Succeed())
	return len(pods.Items)
}

// quotaAttacks want more than the LimitRange and the ResourceQuota give.
func quotaAttacks() []attack {
	return []attack{{
		name: "adds a LimitRange and a ResourceQuota of their own that allow more", as: mallory, outcome: harmless,
		do: func(as client.Client) []error {
			return []error{
				as.Create(
					ctx,
					&corev1.LimitRange{ObjectMeta: inShop("own"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
						Type: corev1.LimitTypeContainer, Max: quantities("cpu", "64"),
					}}}},
				),
				as.Create(
					ctx,
					&corev1.ResourceQuota{ObjectMeta: inShop("own"), Spec: corev1.ResourceQuotaSpec{Hard: quantities("pods", "5000")}},
				),
			}
		},
		then: func() {
			large := func(spec *corev1.PodSpec) { spec.Containers[0].Resources.Limits = quantities("cpu", "2") }
			Expect(
				created(mallory.client(), large),
			).To(HaveEach(MatchError(ContainSubstring("maximum cpu usage per Container is 1"))))
			Expect(admin.Delete(ctx, &corev1.LimitRange{ObjectMeta: inShop("own")})).To(Succeed())
			Expect(admin.Delete(ctx, &corev1.ResourceQuota{ObjectMeta: inShop("own")})).To(Succeed())
		},
	}, {
		name: "races forty pods against the ResourceQuota", as: creator, outcome: harmless,
		do: func(as client.Client) []error {
			Expect(as.Create(ctx, selected("crowded"))).To(Succeed())
			EventuallyEstablished(fortress, "crowded")
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					pod := compliantPod("crowded", "")
					pod.GenerateName = "one-of-many-"
					_ = as.Create(ctx, pod) // Most are refused: who gets in is seen below.
				})
			}
			all.Wait()
			return []error{nil}
		},
		then: func() {
			Expect(podsIn("crowded")).To(BeNumerically("<=", maxPods))
			Expect(podsIn("crowded")).To(BeNumerically(">", 0))
		},
	}, {
		name: "scales a Deployment beyond the ResourceQuota by the subresource scale", as: creator, outcome: harmless,
		do: func(as client.Client) []error {
			Expect(as.Create(ctx, selected("scaled"))).To(Succeed())
			EventuallyEstablished(fortress, "scaled")
			d := deployment("scaled", 1)
			scale := &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Namespace: "scaled", Name: d.Name},
				Spec:       autoscalingv1.ScaleSpec{Replicas: 50},
			}
			return []error{as.Create(ctx, d), as.SubResource("scale").Update(ctx, d, client.WithSubResourceBody(scale))}
		},
		then: func() {
			Eventually(func() int { return podsIn("scaled") }).Should(Equal(maxPods))
			Eventually(func(g Gomega) {
				d := &appsv1.Deployment{}
				g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: "scaled", Name: "app"}, d)).To(Succeed())
				g.Expect(d.Status.Conditions).To(ContainElement(And(
					HaveField(
						"Type",
						appsv1.DeploymentReplicaFailure,
					),
					HaveField("Message", ContainSubstring("exceeded quota: bulwark-compute")),
				)))
			}).Should(Succeed())
			Consistently(func() int { return podsIn("scaled") }).WithTimeout(second).Should(Equal(maxPods))
		},
	}}
}

func deployment(namespace string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Template: compliantTemplate(),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "tenants"}},
		},
	}
}

// breakGlassAttacks are what tamper protection lets pass: it is for emergencies, and the operator's
// business as before.
func breakGlassAttacks() []attack {
	inAnnex := func(o client.Object) client.Object {
		o.SetNamespace(annex)
		return o
	}
	return []attack{{
		name: "raises the ResourceQuota", as: rescuer, outcome: undone,
		do: func(as client.Client) []error {
			return []error{
				changed(
					as,
					inAnnex(quota()),
					func(o client.Object) { o.(*corev1.ResourceQuota).Spec.Hard = quantities("pods", "5000") },
				),
			}
		},
	}, {
		name: "deletes the default-deny NetworkPolicy", as: rescuer, outcome: undone,
		do: func(as client.Client) []error { return []error{as.Delete(ctx, inAnnex(defaultDeny()))} },
	}, {
		name: "lowers the Pod Security level", as: rescuer, outcome: undone,
		do: func(as client.Client) []error {
			return []error{changed(as, namespaceOf(annex), func(o client.Object) { o.GetLabels()[enforceLabel] = "privileged" })}
		},
	}, {
		name: "takes the label off by which Bulwark knows the namespace", as: rescuer, outcome: undone,
		do: func(as client.Client) []error {
			return []error{
				changed(as, namespaceOf(annex), func(o client.Object) { delete(o.GetLabels(), v1alpha1.ProfileLabel) }),
			}
		},
	}, {
		name: "deletes the NamespacePosture", as: rescuer, outcome: undone,
		do: func(as client.Client) []error {
			return []error{
				as.Delete(
					ctx,
					&v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: annex, Name: v1alpha1.PostureName}},
				),
			}
		},
	}}
}

// changed is the answer to an update, made again if Kubernetes was faster.
func changed(as client.Client, o client.Object, change func(client.Object)) error {
	for {
		if err := as.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		if err := as.Update(ctx, o); !apierrors.IsConflict(err) {
			return err
		}
	}
}
