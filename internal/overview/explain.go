package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Place is what the screen of one namespace shows. What could not be read is nil.
type Place struct {
	Name      string
	Namespace *corev1.Namespace
	Report    *v1alpha1.NamespacePosture
	// Unreported says that there is no report, as against one that could not be read.
	Unreported bool
	// Verdicts say why each profile governs the namespace, or does not; of the one that does,
	// Generation is that of its spec.
	Verdicts   []selection.Verdict
	Generation int64
}

// Explain is the screen of one namespace.
func Explain(place *Place, view View) string {
	s := &screen{view: view}
	s.governing(place)
	if place.Report != nil {
		s.standing(place)
		s.objects(place.Report)
		s.weaknesses(place.Report)
		s.drift(place.Report.Drift, place.Report.DriftTotal, mostDrift, true)
	}
	return s.String()
}

// governing says which profile governs the namespace, and why the others do not.
func (s *screen) governing(place *Place) {
	if place.Verdicts == nil {
		if place.Report != nil {
			s.text(0, fmt.Sprintf("Namespace %s: its report is of SecurityProfile %s.", place.Name, place.Report.Profile))
		}
		return
	}
	governs := slices.ContainsFunc(place.Verdicts, func(v selection.Verdict) bool { return v.Governs })
	if governs {
		s.text(0, fmt.Sprintf("SecurityProfile %s governs namespace %s.", place.Verdicts[0].Profile, place.Name))
	} else {
		s.text(0, fmt.Sprintf("No SecurityProfile governs namespace %s.", place.Name))
	}
	if governs && place.Unreported {
		s.text(0, "There is no report on it yet: the operator has yet to look at it (is it running?).")
	}
	var rows [][]string
	for _, v := range place.Verdicts {
		answer := "no"
		if v.Governs {
			answer = "yes"
		}
		rows = append(rows, []string{v.Profile, fmt.Sprint(v.Priority), answer, v.Why})
	}
	if len(rows) > 0 {
		fmt.Fprintln(s)
		s.table([]string{"PROFILE", "PRIORITY", "GOVERNS", "WHY"}, rows)
	}
}

// standing says how far the report can be relied upon.
func (s *screen) standing(place *Place) {
	r := place.Report
	s.title(fmt.Sprintf("REPORT (%s, by SecurityProfile %s)", r.Enforcement, r.Profile))
	summary := []string{fmt.Sprintf("%d objects are compliant", r.Summary.Compliant)}
	n := NamespaceOf(r)
	if counts := n.counts(nil); counts != "" {
		summary = append(summary, counts)
	}
	s.text(0, strings.Join(summary, ", "))
	if ns := place.Namespace; ns != nil && r.NamespaceUID != "" && r.NamespaceUID != ns.UID {
		s.text(0, "It is of a former namespace of this name, and says nothing of this one.")
	}
	if len(place.Verdicts) > 0 && place.Verdicts[0].Governs {
		switch governing := place.Verdicts[0].Profile; {
		case governing != r.Profile:
			s.text(0, fmt.Sprintf("It is of before SecurityProfile %s governed the namespace.", governing))
		case r.ProfileGeneration != place.Generation:
			s.text(
				0,
				fmt.Sprintf("It is older than the profile: of generation %d, and the profile is of %d. The operator has yet "+
					"to look at the namespace again (is it running?).", r.ProfileGeneration, place.Generation),
			)
		}
	}
	if why := r.Stalled(); why != "" {
		s.text(0, "The profile cannot be carried out, and nothing is corrected: "+why)
	}
	if r.PodsUnseen {
		s.text(0, "The pods could not be looked at: what is said of them is of before.")
	}
	if r.Truncated > 0 {
		s.text(0, fmt.Sprintf("The report leaves out %d entries, so that it fits into one object.", r.Truncated))
	}
}

// remedies are what can be done about an object by its state, where its message does not say it.
var remedies = map[v1alpha1.ObjectState]string{
	v1alpha1.ObjectStateDrifted: "Enforce corrects it by itself; Audit writes nothing: see the drift below for who changed it",
	v1alpha1.ObjectStateUncounted: "the controller resourcequota of kube-controller-manager counts: see that it runs and may list " +
		"what is counted",
	v1alpha1.ObjectStateBlocked: "mend the pods that it would refuse: it takes effect by itself then",
	v1alpha1.ObjectStateConflict: "rename or delete the object that bears the name, or set spec.adoption: Adopt, which takes it " +
		"over",
	v1alpha1.ObjectStateFailed: "read the API server's words, and change the profile or what refuses it",
}

func (s *screen) objects(r *v1alpha1.NamespacePosture) {
	blocked, contested := map[v1alpha1.ObjectReference]v1alpha1.BlockedObject{}, map[v1alpha1.ObjectReference]string{}
	for _, b := range r.Blocked {
		blocked[b.Object] = b
	}
	for _, e := range r.Drift {
		if e.State == v1alpha1.DriftStateContested {
			contested[e.Object] = cmp.Or(e.Manager, "somebody whom Kubernetes does not know any more")
		}
	}
	listed := map[v1alpha1.ObjectReference]bool{}
	var rows [][]string
	for _, o := range r.Objects {
		listed[o.ObjectReference] = true
		var why []string
		if o.State != v1alpha1.ObjectStateCompliant {
			why = said(o.Message, blocked[o.ObjectReference], remedies[o.State])
		}
		if by, found := contested[o.ObjectReference]; found {
			why = append(why, by+" keeps changing it: end that, or see spec.contest")
		}
		rows = append(rows, []string{string(o.State), object(o.ObjectReference), strings.Join(why, "; ")})
	}
	for _, b := range r.Blocked {
		if !listed[b.Object] { // What admission policies hold is no object of the namespace.
			why := said("", b, remedies[v1alpha1.ObjectStateBlocked])
			rows = append(rows, []string{"Blocked", object(b.Object), strings.Join(why, "; ")})
		}
	}
	if len(rows) > 0 {
		s.title("OBJECTS")
		s.table([]string{"STATE", "OBJECT", "WHY, AND WHAT TO DO"}, rows)
	}
}

// said is what is said of an object: its message, what it would break, and a remedy, if the message
// holds none.
func said(message string, blocked v1alpha1.BlockedObject, remedy string) []string {
	var why []string
	for _, words := range []string{message, blocked.Message} {
		if words != "" && !slices.Contains(why, words) {
			why = append(why, words)
		}
	}
	if len(blocked.Violators) > 0 {
		why = append(
			why,
			fmt.Sprintf("it would refuse %d pods: %s", blocked.ViolatorsTotal, strings.Join(blocked.Violators, ", ")),
		)
	}
	if remedy != "" && !strings.Contains(message, "remedy: ") {
		why = append(why, "remedy: "+remedy)
	}
	return why
}

func (s *screen) weaknesses(r *v1alpha1.NamespacePosture) {
	if len(r.Findings) == 0 {
		return
	}
	s.title("FINDINGS")
	for _, f := range r.Findings {
		s.table([]string{string(f.Severity), string(f.ID), object(f.Object)}, nil)
		s.text(2, f.Message)
		s.text(2, "Remedy: "+f.Remedy)
	}
}
