package admission

import (
	"fmt"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// exceptions are those of a section, by the names of the rules that they are from.
type exceptions map[string][]v1alpha1.ExceptedContainers

func workloadExceptions(w *v1alpha1.Workloads) exceptions {
	x := exceptions{}
	for i := range w.Except {
		from(x, w.Except[i].Rules, &w.Except[i].ExceptedContainers)
	}
	return x
}

func imageExceptions(im *v1alpha1.Images) exceptions {
	x := exceptions{}
	for i := range im.Except {
		from(x, im.Except[i].Rules, &im.Except[i].ExceptedContainers)
	}
	return x
}

// from adds an exception from some rules.
func from[R ~string](x exceptions, rules []R, of *v1alpha1.ExceptedContainers) {
	for _, rule := range rules {
		x[string(rule)] = append(x[string(rule)], *of)
	}
}

// broken are the names of those containers of a list that do not hold to a rule, but for
//
//  1. those that an exception from the rule is about, and
//  2. those that had the same before of all that it judges, unless an exception was about them then:
//     else a container of an image that is excepted could be given any other image.
func (x exceptions) broken(rule, containers, holds string, judges ...judged) string {
	var same []string
	for _, j := range judges {
		same = append(same, j("b", "variables.podSpecBefore")+" == "+j.now())
	}
	excepted := ""
	if of := x[rule]; len(of) > 0 {
		about := func(container string) string {
			return exceptedBy(of, fmt.Sprintf("string(%s.name)", container), func(below string) string {
				return repository(container+`.?image.orValue("")`) + fmt.Sprintf(".exists(o, %s)", below)
			})
		}
		same = append(same, "!"+about("b"))
		excepted = "!" + about("c.now") + " && "
	}
	return fmt.Sprintf(
		`%s.filter(c, !(%s) && %s!c.before.exists(b, %s)).map(c, string(c.now.name))`, containers, holds, excepted, all(same))
}

// exceptedBy is whether one of some exceptions is about the container of a name. The image's
// repository is o in what is asked of it.
func exceptedBy(of []v1alpha1.ExceptedContainers, name string, ofRepository func(below string) string) string {
	var byName, byImage []string
	for _, e := range of {
		named := fmt.Sprintf("%s in %s", name, list(e.Containers))
		switch below := fmt.Sprintf(`%s.exists(p, o == p || o.startsWith(p + "/"))`, list(canonicalRegistries(e.Images))); {
		case len(e.Images) == 0:
			byName = append(byName, named)
		case len(e.Containers) == 0:
			byImage = append(byImage, below)
		default:
			byImage = append(byImage, all([]string{named, below}))
		}
	}
	if len(byImage) > 0 {
		byName = append(byName, ofRepository(some(byImage)))
	}
	return "(" + some(byName) + ")"
}

// judges is whether a rule looks at what is new of a named image. The rule about the pull policy, if
// it has exceptions, looks at a new image too: the one before it may have been excepted.
func (x exceptions) judges(rule, news string) string {
	if len(x[rule]) > 0 && news == newPolicy {
		return fmt.Sprintf(`%s != ""`, imageNews)
	}
	return fmt.Sprintf("%s.contains(%s)", imageNews, quote(news))
}

// unlessImageIs is a condition that leaves out the named images that an exception from the rule is
// about.
func (x exceptions) unlessImageIs(rule string) string {
	of := x[rule]
	if len(of) == 0 {
		return ""
	}
	return " && !" + exceptedBy(of, imageContainer, func(below string) string {
		return fmt.Sprintf("[%s].exists(o, %s)", imageRepository, below)
	})
}

func canonicalRegistries(registries []string) []string {
	canonical := slices.Clone(registries)
	for i := range canonical {
		canonical[i] = canonicalRegistry(canonical[i])
	}
	return canonical
}
