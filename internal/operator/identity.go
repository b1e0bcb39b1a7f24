package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/internal/admission"
)

// identity is who the API server takes the operator for.
type identity struct {
	name  string
	proof admission.Proof
}

// whoAmI asks the API server.
func whoAmI(ctx context.Context, c client.Client) (identity, error) {
	var review authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &review); err != nil {
		return identity{}, fmt.Errorf("asking the API server who the operator is: %w", err)
	}
	info := review.Status.UserInfo
	return identity{name: info.Username, proof: admission.Proof{
		UID: info.UID, Credential: len(info.Extra[user.CredentialIDKey]) > 0,
	}}, nil
}

// identityInterval is how often the API server is asked again.
const identityInterval = time.Minute

// identityWatch ends the operator when the API server takes it for somebody else than at its start,
// as it does once the service account was made anew and the token is of the new one. Policies would
// refuse it what they let the former do; an operator that is started anew writes them anew, which
// no policy can refuse.
type identityWatch struct {
	ask func(context.Context) (identity, error)
	was identity
	log logr.Logger
}

var _ manager.LeaderElectionRunnable = identityWatch{}

func newIdentityWatch(c client.Client, was identity, log logr.Logger) identityWatch {
	return identityWatch{
		ask: func(ctx context.Context) (identity, error) { return whoAmI(ctx, c) },
		was: was, log: log.WithName("identity"),
	}
}

// NeedLeaderElection is false: a replica that does not lead may lead next.
func (identityWatch) NeedLeaderElection() bool { return false }

// Start asks until the context ends.
func (w identityWatch) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(identityInterval):
		}
		switch now, err := w.ask(ctx); {
		case err != nil: // Who the operator is now is not known. It goes on as who it was.
			w.log.Error(err, "Could not find out who the operator is")
		case now != w.was:
			return fmt.Errorf("the API server takes the operator for the user %q of uid %q, "+
				"and took it for %q of uid %q when it started. The operator ends, to be started anew "+
				"and to have its admission policies know it", now.name, now.proof.UID, w.was.name, w.was.proof.UID)
		}
	}
}
