package operator

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	reviewv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// answering is a cluster that answers TokenReviews as a cluster does: "prometheus" is known,
// "unreviewable" cannot be asked for, and against every other token there is something to say. It
// counts what it is asked.
func answering(t *testing.T, asked *int) *fake.Clientset {
	t.Helper()
	clients := fake.NewClientset()
	clients.PrependReactor("create", "tokenreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		*asked++
		created, ok := action.(clienttesting.CreateAction)
		if !ok {
			t.Fatalf("%T is not a creation", action)
		}
		review, ok := created.GetObject().(*reviewv1.TokenReview)
		if !ok {
			t.Fatalf("%T is not a TokenReview", created.GetObject())
		}
		switch review.Spec.Token {
		case "unreviewable":
			return true, nil, apierrors.NewServiceUnavailable("etcd is away")
		case "prometheus", "tenant":
			review.Status = reviewv1.TokenReviewStatus{Authenticated: true, User: reviewv1.UserInfo{Username: review.Spec.Token}}
		case "nobody":
		default:
			review.Status.Error = "[invalid bearer token, token lookup failed]"
		}
		return true, review, nil
	})
	return clients
}

func TestMetricsAreServedToWhomTheAPIServerKnowsAndPermits(t *testing.T) {
	permits := authorizer.AuthorizerFunc(
		func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			switch {
			case a.GetUser().GetName() != "prometheus":
				return authorizer.DecisionNoOpinion, "", nil
			case a.GetPath() == "/unknown":
				return authorizer.DecisionNoOpinion, "", errors.New("the API server is away")
			}
			return authorizer.DecisionAllow, "", nil
		},
	)
	for name, test := range map[string]struct {
		header string
		path   string
		want   int
		asks   int
	}{
		"no header":                            {want: http.StatusUnauthorized},
		"an empty bearer":                      {header: "Bearer ", want: http.StatusUnauthorized},
		"a bearer of spaces":                   {header: "Bearer     ", want: http.StatusUnauthorized},
		"a space too many before the token":    {header: "Bearer  prometheus", want: http.StatusUnauthorized},
		"another scheme":                       {header: "Basic cHJvbWV0aGV1czpw", want: http.StatusUnauthorized},
		"a token without a scheme":             {header: "prometheus", want: http.StatusUnauthorized},
		"garbage":                              {header: "Bearer \x7f\xff%00", want: http.StatusUnauthorized, asks: 1},
		"what has the form of a token":         {header: "Bearer a.b.c", want: http.StatusUnauthorized, asks: 1},
		"a token that nothing is said against": {header: "Bearer nobody", want: http.StatusUnauthorized, asks: 1},
		"a token that cannot be asked for":     {header: "Bearer unreviewable", want: http.StatusInternalServerError, asks: 2},
		"somebody who may not":                 {header: "Bearer tenant", want: http.StatusForbidden, asks: 1},
		"somebody who may":                     {header: "Bearer prometheus", want: http.StatusOK, asks: 1},
		"the scheme in other letters":          {header: "bEaReR prometheus", want: http.StatusOK, asks: 1},
		"somebody of whom it cannot be told":   {header: "Bearer prometheus", path: "/unknown", want: http.StatusInternalServerError, asks: 1},
	} {
		asked := 0
		filter := accessFilter(tokenReviews(answering(t, &asked).AuthenticationV1().TokenReviews()), permits)
		handler, err := filter(logr.Discard(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, time := range []string{"first", "second"} {
			request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			if test.path != "" {
				request.URL.Path = test.path
			}
			if test.header != "" {
				request.Header.Set("Authorization", test.header)
			}
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			got[time] = response.Code
		}
		got["asked"] = asked
		want := map[string]int{"first": test.want, "second": test.want, "asked": test.asks}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
