package integration

import (
	"fmt"
	"os"
	"runtime"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

var _ = JustAfterEach(func() {
	if !CurrentSpecReport().Failed() {
		return
	}
	f, _ := os.Create("/tmp/dump.txt")
	defer f.Close()
	ps := &v1alpha1.SecurityProfileList{}
	_ = admin.List(ctx, ps)
	for _, p := range ps.Items {
		p.ManagedFields = nil
		fmt.Fprintf(f, "%+v\n\n", p)
		for _, o := range Managed(Default, p.Name+"-a") {
			fmt.Fprintf(f, "%T %s %v\n", o, o.GetName(), o.GetLabels())
		}
	}
	rs := &v1alpha1.NamespacePostureList{}
	_ = admin.List(ctx, rs)
	for _, r := range rs.Items { fmt.Fprintf(f, "report %s %s\n", r.Namespace, r.Profile) }
	buf := make([]byte, 4<<20)
	f.Write(buf[:runtime.Stack(buf, true)])
})
