{{- define "refreshable.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "refreshable.serviceAccount" -}}
{{- default (include "refreshable.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "refreshable.selector" -}}
app.kubernetes.io/name: refreshable
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "refreshable.labels" -}}
{{ include "refreshable.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What the controller asks of a namespace that it serves. */}}
{{- define "refreshable.namespaceRules" -}}
- apiGroups: [refreshable.dev]
  resources: [refreshablecredentials]
  verbs: [get, list, watch]
- apiGroups: [refreshable.dev]
  resources: [refreshablecredentials/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.restart.enabled }}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end }}
{{- if .Values.promptPropagation }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
{{- end }}
{{- end -}}

{{/* How Prometheus Operator scrapes one port. Labels of the metrics win over those of the target: metrics of each
resource name its namespace, which is not the controller's. */}}
{{- define "refreshable.scraping" -}}
honorLabels: true
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}
