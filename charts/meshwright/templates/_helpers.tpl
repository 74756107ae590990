{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- define "meshwright.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "meshwright.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "meshwright.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "meshwright.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "meshwright.account" -}}
{{- default (include "meshwright.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "meshwright.watchNamespace" -}}
{{- default .Release.Namespace .Values.watchNamespace -}}
{{- end -}}

{{- define "meshwright.selector" -}}
app.kubernetes.io/name: {{ include "meshwright.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "meshwright.labels" -}}
{{ include "meshwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: meshwright
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* "NAME" once without and once with each revision: dict "root" $ "format" "istiod%s" */ -}}
{{- define "meshwright.revised" -}}
{{- $names := list (printf .format "") -}}
{{- $format := .format -}}
{{- range .root.Values.revisions -}}
{{- $names = append $names (printf $format (printf "-%s" .)) -}}
{{- end -}}
{{- join ", " $names -}}
{{- end -}}

{{- /*
What the controller needs in a member cluster. Rules that write name the objects where the names are known beforehand.
Server-side apply checks "create" with the name, so that works for new objects too.
*/ -}}
{{- define "meshwright.memberRules" -}}
{{- $istiod := include "meshwright.revised" (dict "root" . "format" "istiod%s") -}}
{{- $clusterroles := printf "%s, %s, %s"
    (include "meshwright.revised" (dict "root" . "format" "istiod-clusterrole%s-istio-system"))
    (include "meshwright.revised" (dict "root" . "format" "istiod-gateway-controller%s-istio-system"))
    (include "meshwright.revised" (dict "root" . "format" "istio-reader-clusterrole%s-istio-system")) -}}
# Which cluster is this, and can it be reached?
- nonResourceURLs: [/version, /apis, /apis/*]
  verbs: [get]
# What is there: Services and Namespaces as facts, of the rest what the controller made.
- apiGroups: [""]
  resources: [namespaces, services, serviceaccounts, configmaps, secrets]
  verbs: [get, list, watch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings, roles, rolebindings]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  verbs: [get, list, watch]
# Istio's CRDs; at the end they go only when no object of theirs is left.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.istio.io, security.istio.io, telemetry.istio.io, extensions.istio.io]
  resources: ["*"]
  verbs: [get, list]
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [istio-system]
  verbs: [create, patch, delete]
# cacerts, and a Secret per peer
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
# istiod's, and DNS entries of any name
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [{{ $istiod }}, istio-reader-service-account]
  verbs: [create, patch, delete]
# The token by which peers' control planes read this cluster.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: [istio-reader-service-account]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "meshwright.revised" (dict "root" . "format" "istio%s") }}, {{ include "meshwright.revised" (dict "root" . "format" "istio-sidecar-injector%s") }}]
  verbs: [create, patch, delete]
# What istiod spreads over all namespaces and nobody else takes back.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [istio-ca-root-cert, istio-ca-crl]
  verbs: [delete]
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ $istiod }}]
  verbs: [create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  resourceNames: [{{ $istiod }}]
  verbs: [create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  resourceNames: [{{ $istiod }}]
  verbs: [create, patch, delete]
# Istio's roles grant more than these rules do: escalate and bind, for these names only.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [{{ $clusterroles }}]
  verbs: [create, patch, delete, escalate, bind]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterrolebindings]
  resourceNames: [{{ $clusterroles }}]
  verbs: [create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  resourceNames: [{{ $istiod }}]
  verbs: [create, patch, delete, escalate, bind]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  resourceNames: [{{ $istiod }}]
  verbs: [create, patch, delete]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "meshwright.revised" (dict "root" . "format" "istio-sidecar-injector%s") }}]
  verbs: [create, patch, delete]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [{{ include "meshwright.revised" (dict "root" . "format" "istio-validator%s-istio-system") }}]
  verbs: [create, patch, delete]
# istiod's own numbers: is it in sync with its peers?
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end -}}
