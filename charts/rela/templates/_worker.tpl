{{/*
The Deployment of a kind of worker. Takes a dict: root, name, app, settings, concurrency (the setting's name), data, and
parts of rela.deployment that only some have.
*/}}
{{- define "rela.worker" -}}
{{- $config := .root.Values.config -}}
{{- $env := list (dict "name" .concurrency "value" (toString .settings.concurrency)) -}}
{{- if not (hasKey $config "THREADS") -}}
{{- /* What the container may use, which is less than what the machine has. */ -}}
{{- $limit := dict "containerName" .name "resource" "limits.cpu" "divisor" "1" -}}
{{- $env = append $env (dict "name" "THREADS" "valueFrom" (dict "resourceFieldRef" $limit)) -}}
{{- end -}}
{{- /* A worker waits for no request, and a surge would wait for a GPU that the pod it replaces still has. */ -}}
{{- $strategy := dict "type" "RollingUpdate" "rollingUpdate" (dict "maxSurge" 0 "maxUnavailable" 1) -}}
{{- /* It gives back what it has, with a checkpoint, for half a minute and a little. */ -}}
{{- $deployment := dict "graceSeconds" 40 "strategy" $strategy "env" (concat $env (default list .env)) -}}
{{- if not .root.Values.keda.enabled -}}
{{- $_ := set $deployment "replicas" .settings.replicas -}}
{{- end -}}
{{- include "rela.deployment" (merge $deployment (omit . "env")) -}}
{{- end -}}
