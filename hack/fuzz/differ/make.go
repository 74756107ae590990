// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"math/rand"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/randfill"
)

// As enum kube_record_kind.
type kind byte

const (
	kindMeta kind = iota
	kindService
	kindNamespace
	kindDeployment
	kindEndpointSlice
	kindIngress
	kindPod
	kinds
)

var (
	scheme     = runtime.NewScheme()
	proto      = protobuf.NewSerializer(scheme, scheme)
	protoRaw   = protobuf.NewRawSerializer(scheme, scheme)
	jsonReader = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{})
	eventTypes = []watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error}
)

func init() {
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(appsv1.AddToScheme(scheme))
	utilruntime.Must(discoveryv1.AddToScheme(scheme))
	utilruntime.Must(networkingv1.AddToScheme(scheme))
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
}

func newObject(k kind) runtime.Object {
	switch k {
	case kindNamespace:
		return &corev1.Namespace{}
	case kindDeployment:
		return &appsv1.Deployment{}
	case kindEndpointSlice:
		return &discoveryv1.EndpointSlice{}
	case kindIngress:
		return &networkingv1.Ingress{}
	case kindPod:
		return &corev1.Pod{}
	}
	return &corev1.Service{}
}

func newList(k kind) runtime.Object {
	switch k {
	case kindNamespace:
		return &corev1.NamespaceList{}
	case kindDeployment:
		return &appsv1.DeploymentList{}
	case kindEndpointSlice:
		return &discoveryv1.EndpointSliceList{}
	case kindIngress:
		return &networkingv1.IngressList{}
	case kindPod:
		return &corev1.PodList{}
	}
	return &corev1.ServiceList{}
}

type generator struct {
	r      *rand.Rand
	filler *randfill.Filler
}

func newGenerator(r *rand.Rand) *generator {
	fields := []string{`{}`, `{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`, `{"f:spec":{"f:ports":{"k:{\"port\":80}":{}}}}`}
	words := []string{"", "a", "meshwright", "Apply", "ClusterIP", "None", "TCP", "say \"no\"\\", "line\nline", "<&>\u2028", "é☃😀", "\x00"}
	f := randfill.New().RandSource(rand.NewSource(r.Int63())).NilChance(0.3).NumElements(0, 3).MaxDepth(12)
	return &generator{r, f.Funcs(
		func(t *metav1.Time, c randfill.Continue) {
			if c.Intn(4) > 0 {
				t.Time = time.Unix(int64(c.Uint32()), 0)
			}
		},
		func(t *metav1.MicroTime, c randfill.Continue) { t.Time = time.Unix(int64(c.Uint32()), 0) },
		func(x *metav1.FieldsV1, c randfill.Continue) { x.SetRawBytes([]byte(fields[c.Intn(len(fields))])) },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(c.Int63n(1000), resource.DecimalSI)
		},
		func(x *runtime.RawExtension, c randfill.Continue) { x.Raw = []byte(`{}`) },
		func(x *corev1.PodTemplateSpec, c randfill.Continue) { c.Fill(&x.ObjectMeta) },
		func(x *corev1.PodSpec, c randfill.Continue) {
			c.Fill(&x.ServiceAccountName)
			c.Fill(&x.NodeName)
			c.Fill(&x.NodeSelector)
		},
		func(x *corev1.PodStatus, c randfill.Continue) { c.Fill(&x.Conditions) },
		func(x *metav1.TypeMeta, c randfill.Continue) {},
		func(s *string, c randfill.Continue) {
			if c.Intn(2) == 0 {
				*s = words[c.Intn(len(words))]
			} else {
				*s = c.String(20)
			}
		},
	)}
}

func (g *generator) object(k kind) runtime.Object {
	obj := newObject(k)
	g.filler.Fill(obj)
	gvks, _, err := scheme.ObjectKinds(obj)
	utilruntime.Must(err)
	obj.GetObjectKind().SetGroupVersionKind(gvks[0])
	return obj
}

func encode(e runtime.Encoder, obj runtime.Object) []byte {
	var b bytes.Buffer
	utilruntime.Must(e.Encode(obj, &b))
	return b.Bytes()
}

func encoder(m mode) runtime.Encoder {
	if m.json() {
		return jsonReader
	}
	return proto
}

func (g *generator) list(k kind) runtime.Object {
	list := newList(k)
	items := make([]runtime.Object, g.r.Intn(5))
	for i := range items {
		items[i] = g.object(k)
	}
	utilruntime.Must(setItems(list, items))
	gvks, _, err := scheme.ObjectKinds(list)
	utilruntime.Must(err)
	list.GetObjectKind().SetGroupVersionKind(gvks[0])
	meta := list.(metav1.ListMetaAccessor).GetListMeta()
	meta.SetResourceVersion("12")
	if g.r.Intn(2) == 0 {
		meta.SetContinue("c\"d")
	}
	return list
}

// Frames of 4 bytes of length, or lines.
func (g *generator) watch(m mode, k kind) []byte {
	var out bytes.Buffer
	for n := g.r.Intn(5); n > 0; n-- {
		event := &metav1.WatchEvent{Type: string(eventTypes[g.r.Intn(len(eventTypes))])}
		event.Object.Raw = encode(encoder(m), g.object(k))
		if m.json() {
			out.Write(encode(jsonReader, event))
			continue
		}
		frame := encode(protoRaw, event)
		out.Write([]byte{byte(len(frame) >> 24), byte(len(frame) >> 16), byte(len(frame) >> 8), byte(len(frame))})
		out.Write(frame)
	}
	return out.Bytes()
}

func (g *generator) make(m mode, k kind) []byte {
	switch {
	case m <= objectJSON:
		return encode(encoder(m), g.object(k))
	case m <= listJSON:
		return encode(encoder(m), g.list(k))
	}
	return g.watch(m, k)
}
