// Command argocd is Argo CD's application controller or its repo-server, as its first argument
// says. It knows nothing of Bulwark, may import Argo CD's commands only, and must never change what
// they do.
package main

import (
	"fmt"
	"os"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "argocd", Short: "Argo CD's application controller and repo-server"}
	root.AddCommand(controller.NewCommand(), reposerver.NewCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
