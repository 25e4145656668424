{{- define "refreshable.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The namespace of everything that has one. */}}
{{- define "refreshable.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "refreshable.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: name the ServiceAccount in serviceAccount.name" -}}
{{- end -}}
{{- default (include "refreshable.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "refreshable.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "refreshable" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "refreshable.labels" -}}
{{ include "refreshable.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with include "refreshable.commonLabels" . | trim }}
{{ . }}
{{- end }}
{{- end -}}

{{/* Labels of all objects, but for those that the chart sets itself: selectors rely on them. */}}
{{- define "refreshable.commonLabels" -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- range $key, $value := .Values.commonLabels }}
{{- if not (has $key $own) }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The reference of an image: (list . <image's values> ). A digest says more than a tag. */}}
{{- define "refreshable.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.global.imageRegistry | default $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Whether fixed user and group ids are left out: OpenShift's restricted-v2 gives each namespace a range of its own,
and admits no other. */}}
{{- define "refreshable.openshift" -}}
{{- $mode := .Values.global.compatibility.openshift.adaptSecurityContext -}}
{{- if or (eq $mode "force") (and (eq $mode "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{/* A security context: (list . <its values>). */}}
{{- define "refreshable.securityContext" -}}
{{- $context := index . 1 -}}
{{- if include "refreshable.openshift" (index . 0) -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "seLinuxOptions" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* Secrets to pull images with: the parent chart's, which may be mere names, and this one's. */}}
{{- define "refreshable.pullSecrets" -}}
{{- $secrets := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with $secrets | uniq -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* Whether ClusterRefreshableCredentials are served; empty where not. */}}
{{- define "refreshable.servesClusters" -}}
{{- if and .Values.policies .Values.clusterCredentials (not .Values.watchNamespaces) }}true{{ end -}}
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

{{/* How Prometheus Operator scrapes one port: (list . <values of the monitor> <its kind>). Labels of the metrics win over
those of the target: metrics of each resource name its namespace, which is not the controller's. */}}
{{- define "refreshable.scraping" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
{{- $secure := $root.Values.metrics.secure -}}
{{- $own := dict "honorLabels" true "interval" $monitor.interval -}}
{{- if $secure.enabled -}}
{{- $_ := set $own "scheme" "https" -}}
{{- $verified := dict "ca" (dict "secret" (dict "name" $secure.certificateSecret "key" "ca.crt")) "serverName" (printf "%s.%s.svc" (include "refreshable.name" $root) (include "refreshable.namespace" $root)) -}}
{{- $_ := set $own "tlsConfig" ($secure.certificateSecret | empty | ternary (dict "insecureSkipVerify" true) $verified) -}}
{{- end -}}
{{- range $key := list "scrapeTimeout" "relabelings" "metricRelabelings" -}}
{{- with index $monitor $key }}{{ $_ := set $own $key . }}{{ end -}}
{{- end -}}
{{- range $key, $value := $monitor.endpointAdditionalProperties }}{{ $_ := set $own $key $value }}{{ end -}}
{{- if and $secure.enabled (not (pick $own "authorization" "basicAuth" "bearerTokenFile" "bearerTokenSecret" "oauth2")) -}}
{{- if eq (index . 2) "PodMonitor" -}}
{{- fail "metrics.secure.enabled: a PodMonitor cannot name Prometheus' own token: name a Secret with one in podMonitor.endpointAdditionalProperties.authorization, or use serviceMonitor" -}}
{{- end -}}
{{- $_ := set $own "bearerTokenFile" "/var/run/secrets/kubernetes.io/serviceaccount/token" -}}
{{- end -}}
{{- toYaml $own -}}
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
{{- if .Values.metrics.secure.enabled }}
{{- with .Values.metrics.secure.certificateSecret }}
- name: metrics-certificate
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
