{{- define "refreshable.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "refreshable.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: name the ServiceAccount in serviceAccount.name" -}}
{{- end -}}
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
{{- if .Values.policies }}
# Bundles of certificates (caBundleRef), which no resource may choose without a policy.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
{{- end }}
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

{{/* Volumes of the controller's Pod; empty where there are none. */}}
{{- define "refreshable.volumes" -}}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret -}}
{{- fail "caBundle.configMap and caBundle.secret are both set: name one" -}}
{{- end -}}
{{- if .Values.registry }}
- name: registry
  configMap: {name: {{ include "refreshable.name" . }}-registry}
{{- end }}
{{- if .Values.aws.roleArn }}
- name: identity
  projected:
    sources:
    - serviceAccountToken: {path: token, audience: {{ .Values.aws.tokenAudience | quote }}, expirationSeconds: 3600}
{{- end }}
{{- if .Values.caBundle.configMap }}
- name: ca-bundle
  configMap: {name: {{ .Values.caBundle.configMap | quote }}}
{{- else if .Values.caBundle.secret }}
- name: ca-bundle
  secret: {secretName: {{ .Values.caBundle.secret | quote }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
