package posturetest

import (
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func TestStartWithoutBinaries(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := Start(&envtest.Environment{})
	if err == nil || !strings.Contains(err.Error(), "etcd: no such file or directory\n"+
		"envtest runs etcd and kube-apiserver: set KUBEBUILDER_ASSETS to the folder") {
		t.Errorf("got %v", err)
	}
}

func TestStartOnAClusterThatIsThereAlready(t *testing.T) {
	_, err := Start(&envtest.Environment{Config: &rest.Config{}, UseExistingCluster: new(true)})
	if err == nil || !strings.Contains(err.Error(), "uses a cluster that is there already") {
		t.Errorf("got %v", err)
	}
}
