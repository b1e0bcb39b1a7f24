package baseline

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
)

// Refusal is what objects of a kind refuse, and thereby how to find out what an object would.
type Refusal string

const (
	// PodsBelowLevel is refused by a Pod Security level. The API server tells which pods there are.
	PodsBelowLevel Refusal = "pods below a level"
	// PodsOutOfBounds is refused by bounds for each pod. The pods themselves tell.
	PodsOutOfBounds Refusal = "pods out of bounds"
	// UsageAboveQuota is refused by a bound for all objects together. Kubernetes' count of their
	// usage tells, where an object counts it already, and the pods themselves do otherwise.
	UsageAboveQuota Refusal = "usage above a quota"
)

// Refusing is what there is to know of a kind whose objects can refuse what runs in a namespace.
// Such an object may be deferred, and the report then remembers what is in place meanwhile.
type Refusing struct {
	// Refuses is what objects of this kind refuse.
	Refuses Refusal
	// content returns the part of an object that refuses, to be written as JSON.
	content func(Object) any
	// into returns a pointer into an object, by which content is read back.
	into func(Object) any
	// copy makes an object refuse what another one does; nil if that takes more than a copy.
	copy func(into, from Object)
}

// refusing makes a kind one whose objects refuse by one part of them.
func refusing[P Object, S any, PS interface {
	*S
	DeepCopyInto(out *S)
}](k Kind, refuses Refusal, part func(P) PS) Kind {
	of := func(o Object) any { return part(o.(P)) }
	k.Refusing = &Refusing{
		Refuses: refuses, content: of, into: of,
		copy: func(into, from Object) { part(from.(P)).DeepCopyInto(part(into.(P))) },
	}
	return k
}

// refusingByLevel makes Namespace a kind whose objects refuse by their Pod Security level.
func refusingByLevel(k Kind) Kind {
	k.Refusing = &Refusing{
		Refuses: PodsBelowLevel,
		content: func(o Object) any { return EnforcedLabels(o.GetLabels()) },
		into:    func(o Object) any { return &o.(*corev1.Namespace).Labels },
	}
	return k
}

// CanRefuse reports whether an object is of a kind that can refuse what runs in a namespace.
func CanRefuse(o Object) bool { return KindOf(o).Refusing != nil }

// RefusingContent is the part of an object that refuses, as JSON. It is empty for no object, and
// for one that refuses nothing.
func RefusingContent(o Object) string {
	if o == nil || !CanRefuse(o) {
		return ""
	}
	text, err := json.Marshal(KindOf(o).Refusing.content(o))
	if err != nil { // None of these types fails to marshal.
		return ""
	}
	return string(text)
}

// WithRefusingContent is an object of the same kind and name that refuses by the given content.
func WithRefusingContent(like Object, content string) (Object, error) {
	kind := KindOf(like)
	o := kind.New()
	o.SetNamespace(like.GetNamespace())
	o.SetName(like.GetName())
	if err := json.Unmarshal([]byte(content), kind.Refusing.into(o)); err != nil {
		return nil, fmt.Errorf("reading what is in place of %s %s: %w", kind.Kind, like.GetName(), err)
	}
	return o, nil
}

// CopyRefusing makes an object refuse what another one of its kind does, where a copy is enough.
func CopyRefusing(into, from Object) {
	if r := KindOf(into).Refusing; r != nil && r.copy != nil {
		r.copy(into, from)
	}
}

// EnforcedLabels are those labels of a namespace that say which Pod Security level is enforced. A
// level always has a version: without one, whoever adds an old one would change what it means.
func EnforcedLabels(labels map[string]string) map[string]string {
	enforced := map[string]string{}
	for _, label := range []string{podsecurity.EnforceLevelLabel, podsecurity.EnforceVersionLabel} {
		if value, set := labels[label]; set {
			enforced[label] = value
		}
	}
	if _, set := enforced[podsecurity.EnforceVersionLabel]; !set && enforced[podsecurity.EnforceLevelLabel] != "" {
		enforced[podsecurity.EnforceVersionLabel] = podsecurity.VersionLatest
	}
	return enforced
}
