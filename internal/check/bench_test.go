package check

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// BenchmarkThousandDeployments judges Deployments that differ, by every rule of the sample
// restricted.
func BenchmarkThousandDeployments(b *testing.B) {
	data, err := os.ReadFile("../../config/samples/restricted.yaml")
	if err != nil {
		b.Fatal(err)
	}
	var p v1alpha1.SecurityProfile
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(
			&text,
			"---\n%s",
			strings.NewReplacer("name: web}", fmt.Sprintf("name: web%d}", i), "image: nginx", fmt.Sprintf("image: nginx:%d", i)).
				Replace(web),
		)
	}
	in := input(b, text.String(), p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}
