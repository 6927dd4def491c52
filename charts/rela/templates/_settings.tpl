{{/* The environment of every process, by the names of docs/configuration.md. */}}
{{- define "rela.settings" -}}
{{- $settings := dict "API_HOST" "0.0.0.0" "API_PORT" "8080" "RELA_HOME" "/home/rela" -}}
{{- with .Values.storage.url -}}
{{- $_ := set $settings "STORAGE_URL" . -}}
{{- end -}}
{{- if .Values.storage.existingClaim -}}
{{- $_ := set $settings "STORAGE_URL" "/artifacts" -}}
{{- end -}}
{{- range $name, $value := .Values.config -}}
{{- /* JSON, because Helm reads numbers as floats, and a large one as text is 2e+09. */ -}}
{{- $_ := set $settings $name (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{- define "rela.credentials" -}}
{{- $credentials := dict -}}
{{- if not .Values.existingSecret -}}
{{- $_ := set $credentials "DATABASE_URL" .Values.database.url -}}
{{- with .Values.queue.url -}}{{- $_ := set $credentials "QUEUE_URL" . -}}{{- end -}}
{{- with .Values.initialApiKey -}}{{- $_ := set $credentials "INITIAL_API_KEY" . -}}{{- end -}}
{{- with .Values.storage.accessKeyId -}}{{- $_ := set $credentials "AWS_ACCESS_KEY_ID" . -}}{{- end -}}
{{- with .Values.storage.secretAccessKey -}}{{- $_ := set $credentials "AWS_SECRET_ACCESS_KEY" . -}}{{- end -}}
{{- end -}}
{{- toYaml $credentials -}}
{{- end -}}
