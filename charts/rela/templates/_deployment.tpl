{{/*
The Deployment of one process. Takes a dict:
  root         the chart's context
  name         of the component
  app          folder in apps/, whose program runs
  settings     the component's values
  replicas     absent: the autoscaler's
  graceSeconds time from SIGTERM to SIGKILL, longer than the process's own
  strategy     how pods are replaced
  imageTag, runtimeClassName, env, container, limits   parts that only some have
  data         whether it reads /data
*/}}
{{- define "rela.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $settings := .settings -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "rela.fullname" $root }}-{{ .name }}
  labels:
    {{- include "rela.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  strategy:
    {{- toYaml .strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "rela.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  template:
    metadata:
      labels:
        # Not the chart's version: a newer chart with the same image interrupts no training.
        {{- include "rela.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
      annotations:
        # A process reads its environment once: other settings are other pods.
        checksum/settings: {{ include "rela.settings" $root | sha256sum }}
        checksum/credentials: {{ include "rela.credentials" $root | sha256sum }}
        {{- with $settings.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "rela.serviceAccount" $root }}
      automountServiceAccountToken: false
      # Links to a Service named api would be a variable API_PORT that is no port.
      enableServiceLinks: false
      # Signals reach the process from its first moment, and training processes that outlive it are reaped.
      shareProcessNamespace: true
      terminationGracePeriodSeconds: {{ .graceSeconds }}
      {{- with .runtimeClassName }}
      runtimeClassName: {{ . }}
      {{- end }}
      {{- with $settings.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        # The image's user `node`.
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: {{ .name }}
          image: {{ printf "%s:%s" $values.image.repository (default $values.image.tag .imageTag) }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: [node, apps/{{ .app }}/dist/main.js]
          envFrom:
            - configMapRef:
                name: {{ include "rela.fullname" $root }}
            - secretRef:
                name: {{ include "rela.secret" $root }}
          {{- with .env }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .container }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
          {{- with merge (dict) (deepCopy $settings.resources) (ternary (dict "limits" .limits) dict (hasKey . "limits")) }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            - name: home
              mountPath: /home/rela
            {{- if $values.storage.existingClaim }}
            - name: artifacts
              mountPath: /artifacts
            {{- end }}
            {{- if and .data $values.data.existingClaim }}
            - name: data
              mountPath: /data
              readOnly: true
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: home
          {{- $home := default dict $settings.home }}
          {{- if $home.size }}
          ephemeral:
            volumeClaimTemplate:
              spec:
                accessModes: [ReadWriteOnce]
                {{- with $home.storageClassName }}
                storageClassName: {{ . }}
                {{- end }}
                resources:
                  requests:
                    storage: {{ $home.size }}
          {{- else }}
          emptyDir: {}
          {{- end }}
        {{- with $values.storage.existingClaim }}
        - name: artifacts
          persistentVolumeClaim:
            claimName: {{ . }}
        {{- end }}
        {{- if .data }}
        {{- with $values.data.existingClaim }}
        - name: data
          persistentVolumeClaim:
            claimName: {{ . }}
            readOnly: true
        {{- end }}
        {{- end }}
      {{- with $settings.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
