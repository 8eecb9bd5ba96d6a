{{/* Names leave room for what follows them: a Service's has 63 characters at most. */}}
{{- define "recording-storage.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Of what belongs to no namespace: two releases of one name would else share it. */}}
{{- define "recording-storage.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "recording-storage.fullname" .) -}}
{{- end }}

{{- define "recording-storage.store" -}}{{ include "recording-storage.fullname" . }}-store{{- end }}
{{- define "recording-storage.operator" -}}{{ include "recording-storage.fullname" . }}-operator{{- end }}

{{- define "recording-storage.storeServiceAccount" -}}
{{- .Values.store.serviceAccount.name | default (include "recording-storage.store" .) -}}
{{- end }}

{{- define "recording-storage.operatorServiceAccount" -}}
{{- .Values.operator.serviceAccount.name | default (include "recording-storage.operator" .) -}}
{{- end }}

{{- define "recording-storage.storeHost" -}}
{{- printf "%s.%s.svc" (include "recording-storage.store" .) .Release.Namespace -}}
{{- end }}

{{/* What selects pods never changes: a Deployment's selector can't. Takes a list: the root, the component. */}}
{{- define "recording-storage.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Values.nameOverride | default $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "recording-storage.labels" -}}
{{- $root := index . 0 -}}
{{ include "recording-storage.selector" . }}
app.kubernetes.io/part-of: recording-storage
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of pods: what changes with each version of the chart would start them anew. Takes the component's values, too. */}}
{{- define "recording-storage.podLabels" -}}
{{ include "recording-storage.selector" . }}
app.kubernetes.io/part-of: recording-storage
{{- with merge dict (index . 2).podLabels (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "recording-storage.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* What the level `restricted` asks for comes first: values can't take it away. */}}
{{- define "recording-storage.podSecurityContext" -}}
{{- $forced := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (merge $forced .Values.podSecurityContext) -}}
{{- end }}

{{- define "recording-storage.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod may run. */}}
{{- define "recording-storage.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of the Secret with the internal authority, and of the ConfigMap that says whom to trust. */}}
{{- define "recording-storage.authority" -}}{{ include "recording-storage.fullname" . }}-ca{{- end }}

{{- define "recording-storage.tlsSecret" -}}
{{- if eq .Values.tls.mode "Internal" -}}
{{- if .Values.tls.existingSecret -}}
{{- fail "tls.existingSecret: it is used with tls.mode Existing only" -}}
{{- end -}}
{{- include "recording-storage.store" . }}-tls
{{- else -}}
{{- if .Values.tls.extraNames -}}
{{- fail "tls.extraNames: they are for tls.mode Internal; of Existing, the certificate has the names that it has" -}}
{{- end -}}
{{- .Values.tls.existingSecret | required "tls.existingSecret: name a Secret of this namespace with tls.crt, tls.key and ca.crt, made for example by: kubectl create secret generic store-tls --type kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt" -}}
{{- end -}}
{{- end }}

{{- define "recording-storage.masterKeySecret" -}}
{{- .Values.store.masterKey.existingSecret | default (printf "%s-master-key" (include "recording-storage.store" .)) -}}
{{- end }}

{{- define "recording-storage.claim" -}}
{{- .Values.store.persistence.existingClaim | default (include "recording-storage.store" .) -}}
{{- end }}

{{/* A map of quantities as CEL writes it. */}}
{{- define "recording-storage.quantities" -}}
{{- $pairs := list -}}
{{- range $name, $quantity := . -}}
{{- $pairs = append $pairs (printf "'%s': '%s'" $name (toString $quantity)) -}}
{{- end -}}
{{- join ", " $pairs -}}
{{- end }}
