// Command olm writes the bundle for the Operator Lifecycle Manager from config/default, and has the
// validators of operator-framework/api judge it. It knows what OLM makes itself: the service account,
// its bindings and the namespace. It must never know a cluster.
//
//	cd hack/olm && go run . ../../config ../../bin/olm
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "olm:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: olm CONFIG FOLDER")
	}
	config, out := args[0], args[1]
	objects, err := kustomized(filepath.Join(config, "default"))
	if err != nil {
		return err
	}
	samples, err := kustomized(filepath.Join(config, "samples"))
	if err != nil {
		return err
	}
	texts, err := os.ReadFile(filepath.Join(config, "olm", "csv.yaml"))
	if err != nil {
		return err
	}
	files, err := bundle(texts, objects, samples)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	for name, content := range files {
		if err := write(filepath.Join(out, name), content); err != nil {
			return err
		}
	}
	return validate(out)
}

// kustomized are the objects that a folder of config comes to.
func kustomized(folder string) ([]map[string]any, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", folder, err)
	}
	objects := make([]map[string]any, 0, built.Size())
	for _, resource := range built.Resources() {
		object, err := resource.Map()
		if err != nil {
			return nil, fmt.Errorf("reading what %s comes to: %w", folder, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func write(path string, content any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// validators are all but the one for several architectures, which pulls the image.
var validators = interfaces.Validators{
	validation.ClusterServiceVersionValidator,
	validation.CustomResourceDefinitionValidator,
	validation.BundleValidator,
	validation.OperatorHubV2Validator,
	validation.StandardCategoriesValidator,
	validation.StandardCapabilitiesValidator,
	validation.ObjectValidator,
	validation.OperatorGroupValidator,
	validation.CommunityOperatorValidator,
	validation.AlphaDeprecatedAPIsValidator,
	validation.GoodPracticesValidator,
}

// excused is a warning that stays: an example invites to make one, and nobody makes a report.
const excused = "Kind=NamespacePosture: provided API should have an example annotation"

// validate has the validators judge the bundle, and takes a warning for an error.
func validate(folder string) error {
	read, err := manifests.GetBundleFromDir(folder)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	var failures []error
	for _, result := range validators.Validate(read.ObjectsToValidate()...) {
		for _, blame := range append(result.Errors, result.Warnings...) {
			if !strings.HasSuffix(blame.Error(), excused) {
				failures = append(failures, fmt.Errorf("%s: %w", result.Name, blame))
			}
		}
	}
	return errors.Join(failures...)
}
