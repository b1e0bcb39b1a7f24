package workloads

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"sigs.k8s.io/yaml"
)

// Applications are so many manifests as a repository of applications holds them: to each workload
// seven objects that go with it, and no two alike. Workloads are those of Documents.
func Applications(n int) []string {
	r := rand.New(rand.NewPCG(2, 17))
	var all []string
	for i := 0; len(all) < n; i++ {
		text, err := yaml.Marshal(workload(r, i))
		if err != nil {
			panic(err) // It is made of what YAML has.
		}
		all = append(all, string(text))
		beside := strings.ReplaceAll(besideWorkload, "NAME", fmt.Sprintf("w%d", i))
		all = append(all, strings.Split(beside, "---\n")...)
	}
	return all[:n]
}

const besideWorkload = `apiVersion: v1
kind: Service
metadata: {name: NAME, labels: {app: NAME}}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: metrics, port: 9090}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, labels: {app: NAME}}
data:
  LOG_LEVEL: info
  application.yaml: |
    server: {port: 8080, name: NAME}
    features: [a, b, c]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, labels: {app: NAME}}
automountServiceAccountToken: false
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, labels: {app: NAME}}
spec:
  podSelector: {matchLabels: {app: NAME}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: gateway}}}]
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, labels: {app: NAME}}
spec:
  rules:
  - host: NAME.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: NAME, port: {name: http}}}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME, labels: {app: NAME}}
rules:
- {apiGroups: [""], resources: [configmaps], resourceNames: [NAME], verbs: [get, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME, labels: {app: NAME}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: NAME}]
`
