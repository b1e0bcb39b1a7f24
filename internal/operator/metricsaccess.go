package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	reviewv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authenticationv1 "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// How long an answer of the API server about who asks for metrics is believed.
const (
	knownTokenTTL   = time.Minute
	unknownTokenTTL = 10 * time.Second
	permittedTTL    = 5 * time.Minute
	forbiddenTTL    = 30 * time.Second
	reviewTimeout   = 10 * time.Second
)

// errUnknownToken is that the API server was asked for a token and does not know it.
var errUnknownToken = errors.New("the API server does not know the token")

// metricsAccess serves metrics to whom the API server authenticates by a bearer token and
// authorizes. controller-runtime's own filter answers 500 to a token that is not valid, as if the
// operator had failed; here that is 401.
func metricsAccess(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	reviews, err := authenticationv1.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("making a client for TokenReviews: %w", err)
	}
	accessReviews, err := authorizationv1.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("making a client for SubjectAccessReviews: %w", err)
	}
	permits, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: accessReviews,
		AllowCacheTTL:             permittedTTL,
		DenyCacheTTL:              forbiddenTTL,
		WebhookRetryBackoff:       &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Jitter: 0.2, Steps: 5},
	}.New()
	if err != nil {
		return nil, fmt.Errorf("making an authorizer: %w", err)
	}
	return accessFilter(tokenReviews(reviews.TokenReviews()), permits), nil
}

// accessFilter answers 401 to whom the tokens do not tell, 403 to whom the authorizer does not
// permit the request, and 500 if either cannot be asked.
func accessFilter(tokens authenticator.Token, permits authorizer.Authorizer) metricsserver.Filter {
	who := bearertoken.New(knownTokens(tokens))
	return func(log logr.Logger, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			answer, ok, err := who.AuthenticateRequest(request)
			switch {
			case err != nil && !errors.Is(err, errUnknownToken):
				log.Error(err, "It is not known who asks for metrics")
				http.Error(w, "Authentication failed", http.StatusInternalServerError)
				return
			case !ok:
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "Unauthorized", http.StatusUnauthorized)
				return
			}
			attributes := authorizer.AttributesRecord{
				User: answer.User, Verb: strings.ToLower(request.Method), Path: request.URL.Path,
			}
			decision, _, err := permits.Authorize(request.Context(), attributes)
			switch {
			case err != nil:
				log.Error(err, "It is not known who may read metrics", "user", answer.User.GetName())
				http.Error(w, "Authorization failed", http.StatusInternalServerError)
			case decision != authorizer.DecisionAllow:
				http.Error(w, "Forbidden", http.StatusForbidden)
			default:
				next.ServeHTTP(w, request)
			}
		}), nil
	}
}

// knownTokens remembers answers for a while, also that a token is not known, and makes that an
// error that can be told from others.
func knownTokens(tokens authenticator.Token) authenticator.Token {
	remembered := cache.New(tokens, false, knownTokenTTL, unknownTokenTTL)
	return authenticator.TokenFunc(func(ctx context.Context, token string) (*authenticator.Response, bool, error) {
		answer, ok, err := remembered.AuthenticateToken(ctx, token)
		if err == nil && !ok {
			err = errUnknownToken
		}
		return answer, ok, err
	})
}

// tokenReviews asks the API server whose a token is. Its answer that it does not authenticate a
// token is no failure.
func tokenReviews(reviews authenticationv1.TokenReviewInterface) authenticator.Token {
	return authenticator.TokenFunc(func(ctx context.Context, token string) (*authenticator.Response, bool, error) {
		ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
		defer cancel()
		question := &reviewv1.TokenReview{Spec: reviewv1.TokenReviewSpec{Token: token}}
		review, err := reviews.Create(ctx, question, metav1.CreateOptions{})
		if err != nil {
			return nil, false, fmt.Errorf("asking the API server whose a token is: %w", err)
		}
		if !review.Status.Authenticated {
			return nil, false, nil
		}
		u := review.Status.User
		info := &user.DefaultInfo{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: map[string][]string{}}
		for key, values := range u.Extra {
			info.Extra[key] = values
		}
		return &authenticator.Response{User: info}, true, nil
	})
}
