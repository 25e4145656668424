{{/* Parts of the admission policies about the controller's own ServiceAccount. The oldest cluster that the chart takes,
1.30, knows no macro over keys and values of a map, so that maps are compared key by key. */}}

{{/* Whether the controller may act in the namespace of a request. Those of the system are reached by name alone: what
runs there has rights on the whole cluster. */}}
{{- define "refreshable.fenceNamespaces" -}}
{{- $named := without (concat .Values.fence.namespaces .Values.watchNamespaces) "*" | uniq -}}
{{- $every := has "*" .Values.fence.namespaces -}}
- name: inSystem
  expression: >-
    request.namespace.startsWith('kube-') || request.namespace == 'openshift' ||
    request.namespace.startsWith('openshift-') || request.namespace == {{ include "refreshable.namespace" . | squote }}
- name: isNamed
  expression: request.namespace in {{ $named | toJson }}
- name: isLabelled
  {{- if .Values.fence.namespaceLabels }}
  expression: >-
    namespaceObject != null && has(namespaceObject.metadata.labels)
    {{- range $key, $value := .Values.fence.namespaceLabels }} &&
    {{ $key | squote }} in namespaceObject.metadata.labels &&
    namespaceObject.metadata.labels[{{ $key | squote }}] == {{ $value | toString | squote }}
    {{- end }}
  {{- else }}
  expression: "false"
  {{- end }}
- name: inReach
  expression: variables.isNamed || (({{ $every }} || variables.isLabelled) && !variables.inSystem)
{{- end -}}

{{/* The rule about it: (list <what it may do there>). */}}
{{- define "refreshable.fenceNamespaceRule" -}}
- expression: variables.inReach
  messageExpression: >-
    'the controller may not {{ index . 0 }} in namespace ' + request.namespace +
    ': the administrator adds it to fence.namespaces of the chart'
  message: the controller may not {{ index . 0 }} in this namespace, see fence.namespaces of the chart
  reason: Forbidden
{{- end -}}

{{/* Whether two maps are the same but for some keys: (list <map> <old map> <keys>). */}}
{{- define "refreshable.fenceSame" -}}
{{- $new := index . 0 }}{{ $old := index . 1 }}{{ $but := index . 2 -}}
dyn({{ $new }}).all(k, k in [{{ $but }}] || (k in dyn({{ $old }}) && dyn({{ $new }})[k] == dyn({{ $old }})[k])) &&
      dyn({{ $old }}).all(k, k in [{{ $but }}] || k in dyn({{ $new }}))
{{- end -}}

{{/*
Whether the Secret in an expression says that the controller made it with a type that others make, too, and has a type
that a resource may ask for: into others of kubernetes.io, Kubernetes writes tokens, or takes them for its own.
*/}}
{{- define "refreshable.fenceTyped" -}}
has({{ . }}.metadata.annotations) && 'refreshable.dev/owner-uid' in {{ . }}.metadata.annotations &&
      'refreshable.dev/type' in {{ . }}.metadata.annotations &&
      {{ . }}.metadata.annotations['refreshable.dev/type'] == {{ . }}.type && (
      {{ . }}.type in ['Opaque', 'kubernetes.io/basic-auth', 'kubernetes.io/dockerconfigjson'] || (
      {{ . }}.type.matches('^[a-z0-9.-]+[.][a-z0-9-]+/[a-zA-Z0-9._-]+$') &&
      !{{ . }}.type.matches('^(.*[.])?kubernetes[.]io/') && !{{ . }}.type.startsWith('refreshable.dev/')))
{{- end -}}
