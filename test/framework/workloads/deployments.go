package workloads

import (
	"fmt"
	"strings"
)

// Deployments are so many Deployments as people write them, no two alike: two containers and one
// that prepares, with probes, resources and environments. Every second one keeps what the sample
// restricted asks of workloads and images, and the others break five of its rules.
func Deployments(n int) []string {
	all := make([]string, n)
	for i := range all {
		root, tag, read := "true", fmt.Sprintf("@sha256:%064x", i+1), "true"
		if i%2 == 1 {
			root, tag, read = "false", fmt.Sprintf(":v1.%d", i), "false"
		}
		all[i] = strings.NewReplacer("NAME", fmt.Sprintf("app-%d", i), "NONROOT", root, "TAG", tag, "READONLY", read, "TEAM", fmt.Sprint(i%7)).
			Replace(deployment)
	}
	return all
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  namespace: shop
  labels:
    app.kubernetes.io/name: NAME
    team: team-TEAM
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: NAME
  template:
    metadata:
      labels:
        app.kubernetes.io/name: NAME
        team: team-TEAM
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: NONROOT
        seccompProfile:
          type: RuntimeDefault
      initContainers:
      - name: migrate
        image: registry.example.com/NAME/migrateTAG
        imagePullPolicy: IfNotPresent
        command: [/migrate, --to, latest]
        securityContext: &hardened
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: READONLY
          capabilities:
            drop: [ALL]
        resources: &resources
          requests: {cpu: 100m, memory: 128Mi, ephemeral-storage: 128Mi}
          limits: {cpu: 500m, memory: 256Mi, ephemeral-storage: 256Mi}
      containers:
      - name: app
        image: registry.example.com/NAME/appTAG
        imagePullPolicy: IfNotPresent
        ports:
        - name: http
          containerPort: 8080
        env:
        - name: LOG_LEVEL
          value: info
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        securityContext: *hardened
        resources: *resources
        livenessProbe: &probe
          httpGet:
            path: /healthz
            port: http
        readinessProbe: *probe
        volumeMounts:
        - name: tmp
          mountPath: /tmp
      - name: proxy
        image: registry.example.com/proxyTAG
        imagePullPolicy: IfNotPresent
        securityContext: *hardened
        resources: *resources
        livenessProbe: *probe
        readinessProbe: *probe
      volumes:
      - name: tmp
        emptyDir: {}
`
