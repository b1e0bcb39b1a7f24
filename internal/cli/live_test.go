package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// live is a cluster that is looked at: what it holds, in pages of one, and what it refuses.
type live struct {
	Cluster
	profiles   []v1alpha1.SecurityProfile
	namespaces []corev1.Namespace
	reports    []v1alpha1.NamespacePosture
	refused    map[string]error // by resource
	asked      []string
	listed     func()
}

func (l *live) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	if o.Limit != pageSize {
		return fmt.Errorf("it asks for %d objects", o.Limit)
	}
	at, next := 0, ""
	fmt.Sscan(o.Continue, &at) //nolint:errcheck // The first page has no token.
	page := func(length int) (from, to int) {
		if at+1 < length {
			next = fmt.Sprint(at + 1)
		}
		return min(at, length), min(at+1, length)
	}
	resource := "securityprofiles"
	switch typed := list.(type) {
	case *v1alpha1.SecurityProfileList:
		from, to := page(len(l.profiles))
		typed.Items = l.profiles[from:to]
	case *v1alpha1.NamespacePostureList:
		resource = "namespacepostures"
		from, to := page(len(l.reports))
		typed.Items = l.reports[from:to]
	}
	list.SetContinue(next)
	l.asked = append(l.asked, "list "+resource)
	if l.listed != nil {
		l.listed()
	}
	return l.refused[resource]
}

func (l *live) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	switch typed := o.(type) {
	case *v1alpha1.SecurityProfile:
		return found(l, "securityprofiles", l.profiles, key, func(p v1alpha1.SecurityProfile) { *typed = p })
	case *corev1.Namespace:
		return found(l, "namespaces", l.namespaces, key, func(n corev1.Namespace) { *typed = n })
	case *v1alpha1.NamespacePosture:
		return found(l, "namespacepostures", l.reports, key, func(r v1alpha1.NamespacePosture) { *typed = r })
	}
	return fmt.Errorf("it gets a %T", o)
}

func found[T any](l *live, resource string, held []T, key client.ObjectKey, take func(T)) error {
	l.asked = append(l.asked, "get "+resource)
	if err := l.refused[resource]; err != nil {
		return err
	}
	for i := range held {
		if client.ObjectKeyFromObject(any(&held[i]).(client.Object)) == key {
			take(held[i])
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, key.Name)
}

func governed(compliant bool) *live {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted", Generation: 3, ResourceVersion: "1"}}
	p.Status.ObservedGeneration, p.Status.Namespaces.Selected = 3, 2
	status := metav1.ConditionFalse
	if compliant {
		p.Status.Namespaces.Compliant, status = 2, metav1.ConditionTrue
	}
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
		p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: kind, Status: status, Message: "so it is"})
	}
	l := &live{profiles: []v1alpha1.SecurityProfile{p}, refused: map[string]error{}}
	for i, name := range []string{"bank", "shop"} {
		l.namespaces = append(l.namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		l.reports = append(l.reports, v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: name,
				Name:      v1alpha1.PostureName,
			},
			Profile:           "restricted",
			ProfileGeneration: 2,
			Summary:           v1alpha1.PostureSummary{Failed: int32(i)},
		})
	}
	return l
}

func TestTheClusterIsLookedAt(t *testing.T) {
	refuse := func(l *live, resource, verb string) *live {
		l.refused[resource] = apierrors.NewForbidden(
			schema.GroupResource{Resource: resource},
			"",
			fmt.Errorf("may not %s", verb),
		)
		return l
	}
	lacking := governed(true)
	lacking.refused["securityprofiles"] = apierrors.NewGenericServerResponse(
		404,
		"list",
		schema.GroupResource{Resource: "securityprofiles"},
		"",
		"",
		0,
		true,
	)
	unreported := governed(true)
	unreported.reports = nil
	for sentence, tt := range map[string]struct {
		cluster *live
		args    string
		code    int
		says    []string
		asks    string
	}{
		"reports are not read where all is well": {
			cluster: governed(true), args: "status", says: []string{"restricted  Enforce  yes        2/2"}, asks: "list securityprofiles",
		},
		"they are by --all": {
			cluster: governed(true), args: "status --all", says: []string{"bank       restricted  Compliant  of generation 2, not 3"},
			asks: "list securityprofiles, list namespacepostures, list namespacepostures",
		},
		"and where a namespace is not compliant": {
			cluster: governed(false), args: "status restricted", code: 2, says: []string{"0/2", "restricted: so it is", "shop       restricted  Failed"},
			asks: "get securityprofiles, list namespacepostures, list namespacepostures",
		},
		"what may not be read is said beside the rest": {
			cluster: refuse(governed(false), "namespacepostures", "list"), args: "status", code: 1,
			says: []string{"0/2", "error: you may not list namespacepostures.security.bulwark.dev: ask for this permission"},
		},
		"without Bulwark":         {cluster: lacking, args: "status", code: 1, says: []string{"is Bulwark installed there?"}},
		"nor has it this profile": {cluster: lacking, args: "status restricted", code: 1, says: []string{"is Bulwark installed there?"}},
		"without a profile":       {cluster: &live{}, args: "status", code: 1, says: []string{"there is no SecurityProfile: nothing is governed"}},
		"without that profile":    {cluster: governed(true), args: "status other", code: 1, says: []string{"there is no SecurityProfile other"}},
		"a namespace is explained": {
			cluster: governed(true), args: "explain bank", says: []string{
				"SecurityProfile restricted governs namespace bank.", "It is older than the profile: of generation 2, and the profile is of 3.",
			},
			asks: "get namespaces, list securityprofiles, get namespacepostures",
		},
		"one without a report":       {cluster: unreported, args: "explain bank", says: []string{"There is no report on it yet"}},
		"one that is not there":      {cluster: governed(true), args: "explain none", code: 1, says: []string{"there is no namespace none"}},
		"a protected one":            {cluster: governed(true), args: "explain bank --protected-namespaces b*", says: []string{"No SecurityProfile governs", "is protected"}},
		"a pod is not explained yet": {cluster: governed(true), args: "explain pod/web", code: 1, says: []string{`"pod/web" is no namespace`}},
		"a tenant sees its own report": {
			cluster: refuse(refuse(governed(true), "securityprofiles", "list"), "namespaces", "get"), args: "explain shop", code: 1,
			says: []string{"its report is of SecurityProfile restricted", "1 failed", "you may not list securityprofiles", "you may not get namespaces"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t)
			d.cluster = tt.cluster
			code, out, errs := d.run(tt.args)
			if code != tt.code {
				t.Errorf("want %d, got %d", tt.code, code)
			}
			for _, words := range tt.says {
				if !strings.Contains(out+errs, words) {
					t.Errorf("want %q in\n%s%s", words, out, errs)
				}
			}
			if asked := strings.Join(tt.cluster.asked, ", "); tt.asks != "" && asked != tt.asks {
				t.Errorf("it asks: %s", asked)
			}
		})
	}
}

// A screen that is watched is drawn again; in a pipe only if something has changed. Reports are
// read again only then, too.
func TestAWatchedScreen(t *testing.T) {
	for terminal, screens := range map[bool]int{true: 4, false: 2} {
		l := governed(false)
		ctx, cancel := context.WithCancel(context.Background())
		looks := 0
		l.listed = func() {
			if l.asked[len(l.asked)-1] != "list securityprofiles" {
				return
			}
			if looks++; looks == 3 {
				l.profiles[0].ResourceVersion = "2"
			} else if looks == 5 {
				cancel()
			}
		}
		var out bytes.Buffer
		now := make(chan time.Time)
		close(now)
		code := Run(ctx, []string{"status", "-w"}, World{
			Out:      &out,
			Err:      &out,
			Now:      func() time.Time { return noon },
			After:    func(time.Duration) <-chan time.Time { return now },
			Cluster:  l,
			Terminal: func(any) bool { return terminal },
			Getenv:   func(string) string { return "" },
		})
		cancel()
		drawn := strings.Count(out.String(), "PROFILE     MODE")
		cleared := strings.Count(out.String(), clearScreen)
		reads := strings.Count(strings.Join(l.asked, ","), "namespacepostures")
		if code != ExitFindings || drawn != screens || terminal != (cleared == screens) || reads != 4 {
			t.Errorf(
				"terminal %t: %d screens, %d cleared, %d pages of reports, exit code %d\n%s",
				terminal,
				drawn,
				cleared,
				reads,
				code,
				out.String(),
			)
		}
	}
}

// An API server that does not answer is said in words, in the time that a request may take.
func TestAnAPIServerThatDoesNotAnswer(t *testing.T) {
	hanging := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	defer server.Close()
	defer close(hanging)
	d := with(t)
	d.put(
		"config",
		"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: '"+server.URL+"'}}]\n",
	)
	code, _, errs := d.run("status --request-timeout=100ms --kubeconfig=" + d.dir + "/config")
	if code != ExitError || !strings.Contains(errs, "error: the API server does not answer in time: ") {
		t.Errorf("%d: %s", code, errs)
	}
	d.put("config", strings.ReplaceAll(d.text("config"), server.URL, "http://127.0.0.1:1"))
	code, _, errs = d.run("explain shop --kubeconfig=" + d.dir + "/config")
	if code != ExitError || !strings.Contains(errs, "error: the API server cannot be reached: ") {
		t.Errorf("%d: %s", code, errs)
	}
}
