package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	// admissionBlocks is how often pods are created with policies in force and without: often,
	// since a machine that is busy for a while is so for one of the two.
	admissionBlocks = 10
	// admissionWarmUp is how many pods are not counted each time.
	admissionWarmUp = 10
)

// admission measures what the policies of the sample restricted add to the creation of a pod. The
// control plane is one of its own, so that no other profile's policies are asked.
func (b *bench) admission(ctx context.Context) (err error) {
	if err := b.closeShared(); err != nil {
		return err
	}
	c, err := b.startCluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	a, err := c.preparePods(ctx)
	if err != nil {
		return err
	}
	b.say("  creating %d pods with policies and as many without (usually %d s)", b.Pods, 75+b.Pods/50)
	for i := range admissionBlocks {
		size := b.Pods*(i+1)/admissionBlocks - b.Pods*i/admissionBlocks
		for _, policies := range turns(i) {
			if err := a.block(ctx, policies, size); err != nil {
				return err
			}
		}
		b.say("  %d of %d", b.Pods*(i+1)/admissionBlocks, b.Pods)
	}
	b.judgeAdmission(a.took)
	return nil
}

// turns are the states of the policies in one block. Every other block begins with that in which
// the last ended, so that what changes steadily in the course of the run is in both alike.
func turns(block int) []bool {
	if block%2 == 0 {
		return []bool{false, true}
	}
	return []bool{true, false}
}

// arm is how pods are created.
type arm struct {
	policies bool // while policies are in force
	governed bool // in the namespace that the profile governs
}

func (a arm) String() string {
	text := map[bool]string{true: "policies=restricted", false: "policies=none"}[a.policies]
	return text + map[bool]string{true: "/namespace=governed", false: "/namespace=elsewhere"}[a.governed]
}

// admitting is one run of admission. The namespace that is governed keeps its baseline, quotas and
// limits included, while the policies come and go: they are all that differs.
type admitting struct {
	*cluster
	tenant   kubernetes.Interface
	specs    map[bool]*v1alpha1.SecurityProfileSpec // with policies and without
	profile  string
	inForce  bool
	governed string // the namespace that the profile governs
	other    string // one that no profile does
	took     map[arm][]float64
}

// preparePods makes two namespaces, of which one is governed by a profile that has no policies yet.
func (c *cluster) preparePods(ctx context.Context) (*admitting, error) {
	profile, err := podsProfile("governed")
	if err != nil {
		return nil, err
	}
	a := &admitting{
		cluster: c, profile: profile.Name, took: map[arm][]float64{},
		specs: map[bool]*v1alpha1.SecurityProfileSpec{true: profile.Spec.DeepCopy()},
	}
	withoutPolicies(&profile.Spec)
	a.specs[false] = profile.Spec.DeepCopy()
	// A tenant has no impersonation to pay for.
	if a.tenant, err = kubernetes.NewForConfig(bare(c.plane.Config)); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	for name, namespace := range map[string]*string{profile.Name: &a.governed, "elsewhere": &a.other} {
		batch, err := c.newBatch(ctx, name, 1)
		if err != nil {
			return nil, err
		}
		*namespace = batch.namespaces[0]
	}
	if err := c.runOperator(ctx); err != nil {
		return nil, err
	}
	if err := c.admin.Create(ctx, profile); err != nil {
		return nil, fmt.Errorf("creating profile %s: %w", profile.Name, err)
	}
	return a, c.awaitInPlace(ctx, profile.Name, 1)
}

// podsProfile is the sample restricted, with room for as many pods as there will ever be.
func podsProfile(name string) (*v1alpha1.SecurityProfile, error) {
	profile, err := restricted(name)
	if err != nil {
		return nil, err
	}
	for i := range profile.Spec.Quotas {
		if quota := &profile.Spec.Quotas[i]; quota.Name == "compute" {
			for counted := range quota.Spec.Hard {
				quota.Spec.Hard[counted] = resource.MustParse("1P")
			}
		}
	}
	return profile, nil
}

// block creates so many pods in each of the two namespaces, taking turns and one at a time, and
// deletes them.
func (a *admitting) block(ctx context.Context, policies bool, size int) error {
	if err := a.turn(ctx, policies); err != nil {
		return err
	}
	if err := a.quiet(ctx); err != nil {
		return err
	}
	took := map[arm][]float64{}
	for i := range admissionWarmUp + size {
		for _, governed := range []bool{true, false} {
			s, err := a.create(ctx, a.pod(governed, fmt.Sprintf("pod-%d", i)))
			if err != nil {
				return err
			}
			if i >= admissionWarmUp {
				arm := arm{policies: policies, governed: governed}
				took[arm] = append(took[arm], s)
			}
		}
	}
	for arm, values := range took {
		a.took[arm] = append(a.took[arm], values...)
		a.sampleSpread("Admission/"+arm.String(), values)
	}
	return a.clear(ctx)
}

// pod is one that breaks no rule of the profile, and that is the same in both namespaces.
func (a *admitting) pod(governed bool, name string) *corev1.Pod {
	pod := fixture.HardenedPod(a.other, name)
	if governed {
		pod.Namespace = a.governed
	}
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	return pod
}

// create returns how many seconds it took.
func (a *admitting) create(ctx context.Context, pod *corev1.Pod) (float64, error) {
	began := time.Now()
	_, err := a.tenant.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	took := time.Since(began).Seconds()
	if err != nil {
		return 0, fmt.Errorf("creating a pod in namespace %s: %w", pod.Namespace, err)
	}
	return took, nil
}

// clear deletes all pods, which are gone at once since no node has them.
func (a *admitting) clear(ctx context.Context) error {
	for _, namespace := range []string{a.governed, a.other} {
		pods := a.tenant.CoreV1().Pods(namespace)
		if err := pods.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return fmt.Errorf("deleting the pods of namespace %s: %w", namespace, err)
		}
	}
	return nil
}

// turn puts the policies in force, or has the operator delete them, and waits until the API server
// does accordingly.
func (a *admitting) turn(ctx context.Context, policies bool) error {
	if a.inForce == policies {
		return nil
	}
	_, err := a.editProfile(
		ctx,
		a.profile,
		func(spec *v1alpha1.SecurityProfileSpec) { *spec = *a.specs[policies].DeepCopy() },
	)
	if err != nil {
		return err
	}
	if err := a.awaitInPlace(ctx, a.profile, 1); err != nil {
		return err
	}
	what := map[bool]string{true: "the policies to be in force", false: "the policies to be gone"}[policies]
	err = await(
		ctx,
		what,
		time.Minute,
		100*time.Millisecond,
		func(ctx context.Context) (bool, error) { return a.enforced(ctx, policies) },
	)
	if err != nil {
		return err
	}
	a.inForce = policies
	return nil
}

// enforced asks the API server, without writing, whether it does as it should: a good pod is always
// admitted, and what breaks a rule is refused if policies are in force. The NetworkPolicy is
// refused by the last of the policies that the operator makes, so that the others are in force
// then.
func (a *admitting) enforced(ctx context.Context, policies bool) (bool, error) {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	answers := map[string]error{}
	for concern, pod := range a.probes() {
		_, answers[concern] = a.tenant.CoreV1().Pods(a.governed).Create(ctx, pod, dry)
	}
	open := openPolicy(a.governed, "open")
	_, answers["tenant-network-policies"] = a.tenant.NetworkingV1().NetworkPolicies(a.governed).Create(ctx, open, dry)
	for concern, err := range answers {
		if err != nil && !apierrors.IsForbidden(err) {
			return false, err
		}
		if wanted := policies && concern != ""; !answersAs(err, wanted, v1alpha1.NamePrefix+a.profile+"-"+concern) {
			return false, nil
		}
	}
	return true, nil
}

// probes are pods by the concern of the policy that refuses them, and under the empty one the pod
// that none refuses.
func (a *admitting) probes() map[string]*corev1.Pod {
	good, image, writable := a.pod(true, "good"), a.pod(true, "image"), a.pod(true, "writable")
	image.Spec.Containers[0].Image = "registry.example.com/app:v1"
	writable.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
	return map[string]*corev1.Pod{"": good, "images": image, "workloads": writable}
}

// answersAs reports whether the answer is that this policy refuses, or if it is not to refuse, that
// the request is admitted.
func answersAs(err error, refused bool, policy string) bool {
	if !refused {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), "'"+policy+"'")
}

// openPolicy is a NetworkPolicy that opens a namespace to everybody.
func openPolicy(namespace, name string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{
				networkingv1.PolicyTypeIngress,
			},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{}},
		},
	}
}

// judgeAdmission makes the figures.
func (b *bench) judgeAdmission(took map[arm][]float64) {
	for _, governed := range []bool{true, false} {
		with, without := took[arm{policies: true, governed: governed}], took[arm{governed: governed}]
		name := "admission, pod create"
		if !governed {
			name += " elsewhere"
		}
		over := func(p float64) float64 { return percentile(with, p) / percentile(without, p) }
		b.results.figure(information(name+", p50, none", percentile(without, 50)*1000, "ms").because("%s", spread(without)))
		b.results.figure(information(name+", p50, policies", percentile(with, 50)*1000, "ms").because("%s", spread(with)))
		p50 := figure{Name: name + ", p50, policies over none", Value: over(50)}
		if governed {
			p50 = p50.must(atMost, 2, 1.3)
		}
		b.results.figure(p50.because("%d pods each", len(with)))
		b.results.figure(information(name+", p99, policies over none", over(99), ""))
	}
}
