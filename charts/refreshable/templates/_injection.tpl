{{/* Where the Secret is mounted, unless the resource says otherwise. */}}
{{- define "refreshable.mountPath" -}}
/var/run/secrets/refreshable.dev/aws
{{- end -}}

{{/* Where the sidecar's token is. */}}
{{- define "refreshable.agentFolder" -}}
/var/run/secrets/refreshable.dev/agent
{{- end -}}

{{/* Where the sidecar serves. */}}
{{- define "refreshable.agentUrl" -}}
http://127.0.0.1:{{ .Values.injection.agent.port }}/v1/credentials
{{- end -}}

{{/* New Pods, but for those of namespaces that must never be held up. */}}
{{- define "refreshable.injectionMatch" -}}
namespaceSelector:
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
    {{- range concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.injection.excludedNamespaces | uniq }}
    - {{ . }}
    {{- end }}
  {{- with .Values.watchNamespaces }}
  - key: kubernetes.io/metadata.name
    operator: In
    values: {{- toYaml . | nindent 4 }}
  {{- end }}
resourceRules:
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE]
  resources: [pods]
{{- end -}}

{{/* Only Pods that asked. */}}
{{- define "refreshable.injectionAsked" -}}
- name: asks
  expression: >-
    object.metadata.?annotations['refreshable.dev/inject'].orValue('') != ''
{{- end -}}
