{{- /*
The labels and annotations of an object, for its metadata. Of the lists, what comes later wins; above them are the chart's own labels.
  root         the release
  unnamed      the release is not named; may be absent
  labels       a list of maps, may be absent
  annotations  a list of maps, may be absent
*/ -}}
{{- define "bulwark.metadata" -}}
{{- $labels := merge dict (.root.Values.commonLabels | default dict) -}}
{{- range .labels }}{{- $labels = mergeOverwrite $labels (. | default dict) }}{{- end -}}
{{- $labels = mergeOverwrite $labels (dict
  "app.kubernetes.io/name" "bulwark"
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63)
) -}}
{{- if not .unnamed }}{{ $_ := set $labels "app.kubernetes.io/instance" .root.Release.Name }}{{ end -}}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- $annotations := merge dict (.root.Values.commonAnnotations | default dict) -}}
{{- range .annotations }}{{- $annotations = mergeOverwrite $annotations (. | default dict) }}{{- end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The image, by its digest if that is set. */ -}}
{{- define "bulwark.image" -}}
{{- with .Values.image -}}
{{- .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* The operator's arguments: a flag each that is set, and none that is left to the operator. */ -}}
{{- define "bulwark.args" -}}
- --namespace=$(POD_NAMESPACE)
{{- range $flag, $value := .Values.flags }}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end }}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end }}
- {{ printf "--%s=%v" (kebabcase $flag) $value | quote }}
{{- end }}
{{- end -}}

{{- /* The port of an address such as :8443, and 0 where nothing is served. */ -}}
{{- define "bulwark.metricsPort" -}}
{{- .Values.flags.metricsBindAddress | default ":8443" | splitList ":" | last -}}
{{- end -}}
{{- define "bulwark.healthPort" -}}
{{- .Values.flags.healthProbeBindAddress | default ":8081" | splitList ":" | last -}}
{{- end -}}

{{- define "bulwark.priorityClassName" -}}
{{- .Values.priorityClassName | default (ternary "bulwark" "" .Values.priorityClass.create) -}}
{{- end -}}

{{- /* Values that are each as they must be, and do not go together. */ -}}
{{- define "bulwark.check" -}}
{{- $flags := .Values.flags -}}
{{- if and (gt (int .Values.replicas) 1) (hasKey $flags "leaderElect") (not $flags.leaderElect) -}}
{{- fail "flags.leaderElect is false: several replicas would all correct. Set replicas to 1, or elect a leader." -}}
{{- end -}}
{{- if eq (include "bulwark.metricsPort" .) "0" -}}
{{- range $part := list "serviceMonitor" "prometheusRule" "dashboard" -}}
{{- if (index $.Values $part).enabled -}}
{{- fail (printf "%s.enabled needs metrics: flags.metricsBindAddress is 0, so that they are served nowhere." $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
