package posture

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Reference names the report of a namespace.
var Reference = v1alpha1.ObjectReference{
	APIVersion: v1alpha1.GroupVersion.String(), Kind: "NamespacePosture", Name: v1alpha1.PostureName,
}

// WithRefused is the cluster with, in the place of reports that the API server refuses, what they
// would say: that they are refused.
func (c *Cluster) WithRefused(
	profile *v1alpha1.SecurityProfile, why func(profile, namespace string) (string, bool),
) *Cluster {
	all := make(map[string]*v1alpha1.NamespacePosture, len(c.Reports))
	for namespace, report := range c.Reports {
		all[namespace] = report
	}
	for i := range c.Namespaces {
		ns := &c.Namespaces[i]
		words, refused := why(profile.Name, ns.Name)
		if _, governs := c.Selector.Standing(profile.Name, ns); !refused || !governs {
			continue
		}
		standIn := &v1alpha1.NamespacePosture{}
		if last := c.Reports[ns.Name]; last != nil {
			shallow := *last
			standIn = &shallow
		}
		standIn.ObjectMeta = metav1.ObjectMeta{Namespace: ns.Name, Name: v1alpha1.PostureName}
		standIn.Profile, standIn.ProfileGeneration = profile.Name, profile.Generation
		standIn.Status = v1alpha1.NamespacePostureStatus{}
		standIn.Summary.Failed++
		standIn.Objects = append([]v1alpha1.ManagedObject{{
			ObjectReference: Reference, State: v1alpha1.ObjectStateFailed,
			Message: fmt.Sprintf("the report is refused: %s", words),
		}}, slices.Clone(standIn.Objects)...)
		all[ns.Name] = standIn
	}
	return &Cluster{Selector: c.Selector, Namespaces: c.Namespaces, Reports: all}
}
