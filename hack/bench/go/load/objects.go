// SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	namespaces = 200
	headful    = 20 // Services with a cluster IP: handing one out is slow, and is not what is measured
)

// The data set is the same in every run.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func text(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return base64.RawStdEncoding.EncodeToString(b)[:n]
}

func uid(r *rand.Rand) types.UID {
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20, r.Uint32()>>20, r.Uint64()>>16))
}

func namespaceName(i int) string { return fmt.Sprintf("bench-%03d", i%namespaces) }

func managed(manager, fields string) []metav1.ManagedFieldsEntry {
	at := metav1.NewTime(time.Unix(1760000000, 0))
	return []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &at, FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
	}}
}

func meta(r *rand.Rand, i int, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: namespaceName(i), UID: uid(r), CreationTimestamp: metav1.NewTime(time.Unix(1760000000+int64(i), 0)),
		Labels: map[string]string{
			"app": fmt.Sprintf("app-%d", i), "app.kubernetes.io/part-of": fmt.Sprintf("suite-%d", i%500),
			"team": fmt.Sprintf("team-%d", i%40), "tier": []string{"front", "middle", "back"}[i%3],
		},
	}
}

func serviceFields() string {
	return `{"f:metadata":{"f:annotations":{".":{},"f:example.com/notes":{}},"f:labels":{".":{},"f:app":{},"f:app.kubernetes.io/part-of":{},` +
		`"f:team":{},"f:tier":{}}},"f:spec":{"f:clusterIP":{},"f:internalTrafficPolicy":{},"f:ports":{".":{},` +
		`"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}},` +
		`"k:{\"port\":9090,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},` +
		`"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}`
}

func namespace(i int) *corev1.Namespace {
	r := random(uint64(3_000_000 + i))
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: namespaceName(i), UID: uid(r), CreationTimestamp: metav1.NewTime(time.Unix(1760000000, 0))},
		Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

// service has 2 ports, 4 labels and an annotation of 400 bytes. turn makes it differ from the one before.
func service(i, turn int) *corev1.Service {
	r := random(uint64(1_000_000 + i))
	s := &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta(r, i, fmt.Sprintf("service-%d", i))}
	s.Annotations = map[string]string{"example.com/notes": text(r, 396) + fmt.Sprintf("%04d", turn%10000)}
	s.ManagedFields = managed("kubectl-client-side-apply", serviceFields())
	single, cluster, affinity := corev1.IPFamilyPolicySingleStack, corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceAffinityNone
	ip := corev1.ClusterIPNone
	if i < headful {
		ip = fmt.Sprintf("10.99.0.%d", 100+i)
	}
	s.Spec = corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, ClusterIPs: []string{ip}, IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
		IPFamilyPolicy: &single, InternalTrafficPolicy: &cluster, SessionAffinity: affinity, Selector: map[string]string{"app": s.Labels["app"]},
		Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(8080)},
			{Name: "metrics", Port: 9090, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(9090)},
		},
	}
	return s
}

func endpoint(r *rand.Rand, i, k int) discoveryv1.Endpoint {
	yes, no := true, false
	node := fmt.Sprintf("node-%d", (i+k)%300)
	zone := fmt.Sprintf("zone-%c", 'a'+k%3)
	return discoveryv1.Endpoint{
		Addresses:  []string{fmt.Sprintf("10.%d.%d.%d", 100+k, i/250%256, i%250+1)},
		Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &no},
		NodeName:   &node, Zone: &zone,
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespaceName(i), Name: fmt.Sprintf("service-%d-%s", i, strings.ToLower(text(r, 5))), UID: uid(r)},
	}
}

// slice has 4 endpoints; turn is in its annotations, as the trigger time is in a real one.
func slice(i, turn int) *discoveryv1.EndpointSlice {
	r := random(uint64(2_000_000 + i))
	s := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  meta(r, i, fmt.Sprintf("service-%d-abcde", i)),
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	s.Labels = map[string]string{
		discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i), discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io", "app": s.Labels["app"],
	}
	s.Annotations = map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": time.Unix(1760000000+int64(turn), 0).UTC().Format(time.RFC3339)}
	s.ManagedFields = managed("kube-controller-manager", `{"f:addressType":{},"f:endpoints":{},"f:metadata":{"f:annotations":{".":{},`+
		`"f:endpoints.kubernetes.io/last-change-trigger-time":{}},"f:generateName":{},"f:labels":{".":{},"f:app":{},`+
		`"f:endpointslice.kubernetes.io/managed-by":{},"f:kubernetes.io/service-name":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"`+string(uid(r))+`\"}":{}}},"f:ports":{}}`)
	for k := range 4 {
		s.Endpoints = append(s.Endpoints, endpoint(r, i, k))
	}
	http, metrics, p8080, p9090, tcp := "http", "metrics", int32(8080), int32(9090), corev1.ProtocolTCP
	s.Ports = []discoveryv1.EndpointPort{{Name: &http, Port: &p8080, Protocol: &tcp}, {Name: &metrics, Port: &p9090, Protocol: &tcp}}
	return s
}
