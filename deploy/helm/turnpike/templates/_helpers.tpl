{{- define "turnpike.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "turnpike.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "turnpike.labels" -}}
{{ include "turnpike.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* "true" where the node has an Admin API. */ -}}
{{- define "turnpike.admin" -}}
{{- if and .Values.apisix.admin.enabled (ne .Values.apisix.deployment.mode "standalone") (ne .Values.apisix.deployment.role "data_plane") -}}
true
{{- end -}}
{{- end -}}

{{- /* "true" where HTTP is served. */ -}}
{{- define "turnpike.traffic" -}}
{{- if ne .Values.apisix.deployment.role "control_plane" -}}
true
{{- end -}}
{{- end -}}

{{- /* "true" where resources are in etcd. */ -}}
{{- define "turnpike.etcd" -}}
{{- if ne .Values.apisix.deployment.mode "standalone" -}}
{{- if or (ne .Values.apisix.deployment.role "traditional") (eq .Values.apisix.deployment.role_traditional.config_provider "etcd") -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "turnpike.adminSecret" -}}
{{- default (printf "%s-admin" (include "turnpike.fullname" .)) .Values.apisix.admin.credentials.secretName -}}
{{- end -}}

{{- define "turnpike.prometheus" -}}
{
  "enable_export_server": {{ .Values.apisix.prometheus.enabled }},
  "export_uri": {{ .Values.apisix.prometheus.path | quote }},
  "metric_prefix": {{ .Values.apisix.prometheus.metricPrefix | quote }},
  "export_addr": { "ip": "0.0.0.0", "port": {{ .Values.apisix.prometheus.containerPort }} }
}
{{- end -}}

{{- define "turnpike.config" -}}
{{- if .Values.apisix.fullCustomConfig.enabled -}}
{{ toYaml .Values.apisix.fullCustomConfig.config }}
{{- else -}}
deployment:
  {{- if eq .Values.apisix.deployment.mode "standalone" }}
  role: data_plane
  role_data_plane:
    config_provider: yaml
  {{- else }}
  role: {{ .Values.apisix.deployment.role }}
  {{- if eq .Values.apisix.deployment.role "traditional" }}
  role_traditional:
    config_provider: {{ .Values.apisix.deployment.role_traditional.config_provider }}
  {{- end }}
  {{- end }}
  {{- if include "turnpike.etcd" . }}
  etcd:
    host: {{ toJson .Values.externalEtcd.host }}
    prefix: {{ .Values.etcd.prefix | quote }}
    timeout: {{ .Values.etcd.timeout }}
    {{- if .Values.externalEtcd.user }}
    user: {{ .Values.externalEtcd.user | quote }}
    password: "${{ "{{" }}ETCD_PASSWORD}}"
    {{- end }}
  {{- end }}
  {{- if include "turnpike.admin" . }}
  admin:
    enable_admin_cors: {{ .Values.apisix.admin.cors }}
    allow_admin: {{ toJson .Values.apisix.admin.allow.ipList }}
    admin_listen:
      ip: {{ .Values.apisix.admin.ip | quote }}
      port: {{ .Values.apisix.admin.port }}
    admin_key:
      - { name: admin, role: admin, key: "${{ "{{" }}ADMIN_KEY}}" }
      {{- if or .Values.apisix.admin.credentials.secretName .Values.apisix.admin.credentials.viewer }}
      - { name: viewer, role: viewer, key: "${{ "{{" }}VIEWER_KEY}}" }
      {{- end }}
  {{- end }}

apisix:
  enable_admin: {{ .Values.apisix.admin.enabled }}
  node_listen: {{ .Values.service.http.containerPort }}
  enable_ipv6: {{ .Values.apisix.enableIPv6 }}
  enable_http2: {{ .Values.apisix.enableHTTP2 }}
  enable_server_tokens: {{ .Values.apisix.enableServerTokens }}
  shutdown_delay: {{ .Values.apisix.shutdownDelay }}s
  {{- if .Values.apisix.setIDFromPodUID }}
  id: "${{ "{{" }}POD_UID}}"
  {{- end }}
  status:
    ip: {{ .Values.apisix.status.ip | quote }}
    port: {{ .Values.apisix.status.port }}
  ssl:
    enable: {{ .Values.apisix.ssl.enabled }}
    listen: [{ port: {{ .Values.apisix.ssl.containerPort }} }]
    {{- if .Values.apisix.ssl.fallbackSNI }}
    fallback_sni: {{ .Values.apisix.ssl.fallbackSNI | quote }}
    {{- end }}
  router:
    http: {{ .Values.apisix.router.http }}
  {{- if .Values.apisix.trustedAddresses }}
  trusted_addresses: {{ toJson .Values.apisix.trustedAddresses }}
  {{- end }}
  {{- if .Values.apisix.dataEncryption.keyring }}
  data_encryption:
    keyring: {{ toJson .Values.apisix.dataEncryption.keyring }}
  {{- end }}

nginx_config:
  worker_processes: {{ .Values.apisix.nginx.workerProcesses }}
  worker_shutdown_timeout: {{ .Values.apisix.nginx.workerShutdownTimeout }}s
  error_log: {{ .Values.apisix.nginx.logs.errorLog | quote }}
  error_log_level: {{ .Values.apisix.nginx.logs.errorLogLevel }}
  event:
    worker_connections: {{ int .Values.apisix.nginx.workerConnections }}
  http:
    keepalive_timeout: {{ .Values.apisix.nginx.keepaliveTimeout }}
    enable_access_log: {{ .Values.apisix.nginx.logs.enableAccessLog }}
    access_log: {{ .Values.apisix.nginx.logs.accessLog | quote }}
    access_log_format_escape: {{ .Values.apisix.nginx.logs.accessLogFormatEscape }}
    {{- if .Values.apisix.nginx.logs.accessLogFormat }}
    access_log_format: {{ toJson .Values.apisix.nginx.logs.accessLogFormat }}
    {{- end }}

plugin_attr: {{ mergeOverwrite (dict "prometheus" (include "turnpike.prometheus" . | fromJson)) .Values.apisix.pluginAttrs | toJson }}
{{- if .Values.apisix.plugins }}

plugins: {{ toJson .Values.apisix.plugins }}
{{- end }}
{{- if .Values.apisix.stream_plugins }}

stream_plugins: {{ toJson .Values.apisix.stream_plugins }}
{{- end }}
{{- if .Values.apisix.discovery.enabled }}

discovery: {{ toJson .Values.apisix.discovery.registry }}
{{- end }}
{{- end -}}
{{- end -}}
