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
    {{- range concat (list "kube-system" "kube-public" "kube-node-lease" (include "refreshable.namespace" .)) .Values.injection.excludedNamespaces | uniq }}
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

{{/* What a Pod asks for, and what the RefreshableCredential that it names publishes. */}}
{{- define "refreshable.injectionVariables" -}}
- name: name
  expression: >-
    string(params.metadata.name)
- name: mode
  expression: >-
    object.metadata.annotations[?'refreshable.dev/inject-mode'].orValue('process')
- name: secret
  expression: >-
    string(params.spec.?secret.?name.orValue(variables.name))
- name: mountPath
  expression: >-
    string(params.spec.?secret.?mountPath.orValue('{{ include "refreshable.mountPath" . }}'))
- name: folder
  expression: >-
    variables.mountPath.endsWith('/')
    ? variables.mountPath.substring(0, variables.mountPath.size() - 1)
    : variables.mountPath
- name: configFile
  expression: >-
    variables.folder + '/' + string(params.spec.?secret.?keys.?config.orValue('config'))
- name: credentialsFile
  expression: >-
    variables.folder + '/' + string(params.spec.?secret.?keys.?credentials.orValue('credentials'))
- name: formats
  expression: >-
    params.spec.?secret.?formats.orValue(['Credentials', 'Config', 'ProcessJson'])
# What the resource publishes under names: its profiles, or the one profile of its files.
- name: profiles
  expression: >-
    has(params.spec.profiles)
    ? params.spec.profiles.map(p, string(p.name))
    : [string(params.spec.?secret.?profile.orValue('default'))]
- name: profile
  expression: >-
    object.metadata.annotations[?'refreshable.dev/inject-profile'].orValue(variables.profiles[0])
# Which containers: those named in the annotation, or all.
- name: chosen
  expression: >-
    object.metadata.annotations[?'refreshable.dev/inject-containers'].orValue('').split(',')
    .map(n, n.trim()).filter(n, n != '')
{{- end -}}
