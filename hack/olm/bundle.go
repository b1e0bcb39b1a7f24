package main

import (
	"encoding/json"
	"fmt"
	"strings"

	operatorsv1alpha1 "github.com/operator-framework/api/pkg/operators/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const (
	operatorName = "bulwark"
	account      = "bulwark-manager"
)

// annotations are those of the bundle, which a catalogue reads.
var annotations = map[string]any{"annotations": map[string]string{
	"operators.operatorframework.io.bundle.mediatype.v1":       "registry+v1",
	"operators.operatorframework.io.bundle.manifests.v1":       "manifests/",
	"operators.operatorframework.io.bundle.metadata.v1":        "metadata/",
	"operators.operatorframework.io.bundle.package.v1":         operatorName,
	"operators.operatorframework.io.bundle.channels.v1":        "candidate",
	"operators.operatorframework.io.bundle.channel.default.v1": "candidate",
}}

// bundle are the files of a bundle. Of what config/default holds, OLM makes itself:
//
//  1. the namespace, by its OperatorGroup;
//  2. the operator's service account and the bindings of its roles, from the CSV;
//  3. the Deployment, from the CSV.
func bundle(texts []byte, objects, samples []map[string]any) (map[string]any, error) {
	csv, files := map[string]any{}, map[string]any{"metadata/annotations.yaml": annotations}
	if err := yaml.UnmarshalStrict(texts, &csv); err != nil {
		return nil, fmt.Errorf("reading the texts: %w", err)
	}
	strategy := operatorsv1alpha1.StrategyDetailsDeployment{}
	for _, object := range objects {
		metadata, _ := object["metadata"].(map[string]any)
		delete(metadata, "annotations") // Argo CD's waves.
		delete(metadata, "namespace")
		kind, name := fmt.Sprint(object["kind"]), fmt.Sprint(metadata["name"])
		taken, err := take(&strategy, object, kind, name)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, name, err)
		}
		if !taken {
			files[fmt.Sprintf("manifests/%s.%s.yaml", name, strings.ToLower(kind))] = object
		}
	}
	if len(strategy.DeploymentSpecs) != 1 {
		return nil, fmt.Errorf("%d Deployments", len(strategy.DeploymentSpecs))
	}
	if err := complete(csv, strategy, samples); err != nil {
		return nil, err
	}
	files["manifests/"+operatorName+".clusterserviceversion.yaml"] = csv
	return files, nil
}

// take puts an object into the CSV, or leaves it to OLM; it reports whether it did either.
func take(strategy *operatorsv1alpha1.StrategyDetailsDeployment, object map[string]any, kind, name string) (bool, error) {
	switch {
	case kind == "Namespace", kind == "ServiceAccount", strings.HasSuffix(kind, "Binding") && name == account:
		return true, nil
	case kind == "Deployment":
		deployment := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, deployment); err != nil {
			return false, err
		}
		strategy.DeploymentSpecs = append(strategy.DeploymentSpecs, operatorsv1alpha1.StrategyDeploymentSpec{
			Name: deployment.Name, Label: deployment.Labels, Spec: deployment.Spec,
		})
		return true, nil
	case kind == "ClusterRole" && name == account:
		rules, err := rulesOf(object)
		strategy.ClusterPermissions = append(strategy.ClusterPermissions, rules)
		return true, err
	case kind == "Role" && name == account:
		rules, err := rulesOf(object)
		strategy.Permissions = append(strategy.Permissions, rules)
		return true, err
	}
	return false, nil
}

func rulesOf(object map[string]any) (operatorsv1alpha1.StrategyDeploymentPermissions, error) {
	role := &rbacv1.Role{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(
		map[string]any{"rules": object["rules"]}, role,
	)
	return operatorsv1alpha1.StrategyDeploymentPermissions{ServiceAccountName: account, Rules: role.Rules}, err
}

// complete adds to the texts what follows from the rest.
func complete(csv map[string]any, strategy operatorsv1alpha1.StrategyDetailsDeployment, samples []map[string]any) error {
	image := strategy.DeploymentSpecs[0].Spec.Template.Spec.Containers[0].Image
	_, version, tagged := strings.Cut(image, ":v")
	metadata, ok := csv["metadata"].(map[string]any)
	spec, specified := csv["spec"].(map[string]any)
	if !tagged || !ok || !specified {
		return fmt.Errorf("the image %s has no version, or the texts have no metadata and spec", image)
	}
	examples, err := json.Marshal(samples)
	if err != nil {
		return err
	}
	metadata["name"] = operatorName + ".v" + version
	written, _ := metadata["annotations"].(map[string]any)
	written["alm-examples"], written["containerImage"] = string(examples), image
	spec["version"] = version
	spec["install"] = operatorsv1alpha1.NamedInstallStrategy{
		StrategyName: operatorsv1alpha1.InstallStrategyNameDeployment, StrategySpec: strategy,
	}
	return nil
}
