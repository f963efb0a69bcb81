{{- /* The name of everything: the release's, unless that says nothing about what it is. */ -}}
{{- define "podmirror.name" -}}
{{- if contains "podmirror" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-podmirror" (.Release.Name | trunc 40 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- /* What tells the pods of one release from those of another. */ -}}
{{- define "podmirror.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podmirror.name" . }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "podmirror.labels" -}}
{{ include "podmirror.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "podmirror.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- .Values.priorityClass.name | default (include "podmirror.name" .) -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{- define "podmirror.watchesConfig" -}}
{{- if or .Values.watchConfig.istio .Values.watchConfig.gatewayApi .Values.watchConfig.trafficMirrors -}}yes{{- end -}}
{{- end -}}

{{- /* The one namespace whose documents are watched, if it is one. */ -}}
{{- define "podmirror.onlyNamespace" -}}
{{- if include "podmirror.watchesConfig" . -}}{{- .Values.watchConfig.namespace -}}{{- end -}}
{{- end -}}
