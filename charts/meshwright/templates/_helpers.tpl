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

{{- /* Names of the Deployments of gateways: the east-west one, and the values' own. */ -}}
{{- define "meshwright.gateways" -}}
{{- join ", " (prepend .Values.gateways "istio-eastwestgateway") -}}
{{- end -}}

{{- /* A part (0: Mesh, 1: namespace, 2: account) of each of the machines' identities, each once: dict "root" $ "part" 2 */ -}}
{{- define "meshwright.machines" -}}
{{- $names := list -}}
{{- $part := .part -}}
{{- range .root.Values.machines.identities -}}
{{- $names = append $names (index (splitList "/" .) $part) -}}
{{- end -}}
{{- join ", " (uniq $names) -}}
{{- end -}}

{{- /* The policies that this controller may write: the one for other meshes' identities, and one for each of the machines'. */ -}}
{{- define "meshwright.policies" -}}
{{- $names := list "meshwright-guard" -}}
{{- range .Values.machines.identities -}}
{{- $names = append $names (printf "meshwright-revoked-%s" (replace "/" "." .)) -}}
{{- end -}}
{{- join ", " $names -}}
{{- end -}}

{{- /*
What the controller needs in a member cluster. Rules that write name the objects where the names are known beforehand.
Server-side apply checks "create" with the name, so that works for new objects too.
*/ -}}
{{- define "meshwright.memberRules" -}}
{{- $istiod := include "meshwright.revised" (dict "root" . "format" "istiod%s") -}}
{{- $deployments := printf "%s, %s" $istiod (include "meshwright.gateways" .) -}}
{{- $clusterroles := printf "%s, %s, %s"
    (include "meshwright.revised" (dict "root" . "format" "istiod-clusterrole%s-istio-system"))
    (include "meshwright.revised" (dict "root" . "format" "istiod-gateway-controller%s-istio-system"))
    (include "meshwright.revised" (dict "root" . "format" "istio-reader-clusterrole%s-istio-system")) -}}
# Which cluster is this, and can it be reached?
- nonResourceURLs: [/version, /api, /apis, /apis/*]
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
# Ranges of addresses, which clusters on one network must not share.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [servicecidrs]
  verbs: [list]
# Istio's CRDs; at the end they go only when no object of theirs is left.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.istio.io, security.istio.io, telemetry.istio.io, extensions.istio.io, gateway.networking.k8s.io, multicluster.x-k8s.io]
  resources: ["*"]
  verbs: [get, list]
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [istio-system]
  verbs: [create, patch, delete]
{{- if .Values.createNamespaces }}
# Namespaces for DNS entries, which go when they are empty.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [create, patch, delete]
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [list]
{{- end }}
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
  resourceNames: [{{ $deployments }}, istio-reader-service-account]
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
  resourceNames: [{{ $deployments }}]
  verbs: [create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  resourceNames: [{{ $deployments }}]
  verbs: [create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  resourceNames: [{{ $deployments }}]
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
# Kinds that only some members hold: what is there of them.
- apiGroups: [networking.istio.io, security.istio.io]
  resources: ["*"]
  verbs: [watch]
- apiGroups: [gateway.networking.k8s.io, networking.k8s.io]
  resources: [gateways, ingresses]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
# What gateways let through, services of other meshes, where other networks are reached; Ingresses of clusters without a
# mesh. Their names follow from the user's.
- apiGroups: [networking.istio.io]
  resources: [gateways, virtualservices, destinationrules, serviceentries]
  verbs: [create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [create, patch, delete]
# What keeps identities of other meshes out, and those of machines that left; no other policy.
- apiGroups: [security.istio.io]
  resources: [authorizationpolicies]
  resourceNames: [{{ include "meshwright.policies" . }}]
  verbs: [create, patch, delete]
# Machines outside Kubernetes: they register as a group, and what istiod does not clear of them is cleared.
- apiGroups: [networking.istio.io]
  resources: [workloadgroups]
  verbs: [create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [workloadentries]
  verbs: [delete]
{{- with .Values.machines.identities }}
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [{{ include "meshwright.machines" (dict "root" $ "part" 2) }}]
  verbs: [create, patch, delete]
{{- if $.Values.machines.namespaces }}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [{{ include "meshwright.machines" (dict "root" $ "part" 1) }}]
  verbs: [create, patch, delete]
{{- end }}
{{- if $.Values.machines.tokens }}
# The token by which a machine asks for its first certificate.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: [{{ include "meshwright.machines" (dict "root" $ "part" 2) }}]
  verbs: [create]
{{- end }}
{{- end }}
# Cluster sets: what users export, and what is imported; clusterset.local in CoreDNS.
- apiGroups: [multicluster.x-k8s.io]
  resources: [serviceexports]
  verbs: [get, list, watch]
- apiGroups: [multicluster.x-k8s.io]
  resources: [serviceimports]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [multicluster.x-k8s.io]
  resources: [serviceexports/status, serviceimports/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [coredns]
  verbs: [patch]
# istiod's own numbers: is it in sync with its peers?
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end -}}
