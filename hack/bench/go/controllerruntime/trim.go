// SPDX-License-Identifier: Apache-2.0
package main

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels that our records keep; none of the data set's, so none is left.
var kept = []string{"app.kubernetes.io/managed-by", "meshwright.dev/mesh", "meshwright.dev/owner-uid", "meshwright.dev/wave"}

func trimMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	var labels map[string]string
	for _, name := range kept {
		if value, ok := m.Labels[name]; ok {
			if labels == nil {
				labels = map[string]string{}
			}
			labels[name] = value
		}
	}
	return metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: labels,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
}

// trim keeps of an object what our records keep of it.
func trim(o any) (any, error) {
	switch o := o.(type) {
	case *corev1.Service:
		s := &corev1.Service{ObjectMeta: trimMeta(&o.ObjectMeta)}
		s.Spec.Type, s.Spec.ClusterIP = o.Spec.Type, o.Spec.ClusterIP
		for _, p := range o.Spec.Ports {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: p.Name, Port: p.Port, Protocol: p.Protocol, AppProtocol: p.AppProtocol})
		}
		if len(o.Spec.Selector) > 0 {
			s.Spec.Selector = map[string]string{}
		}
		return s, nil
	case *discoveryv1.EndpointSlice:
		s := &discoveryv1.EndpointSlice{ObjectMeta: trimMeta(&o.ObjectMeta), Ports: o.Ports}
		s.Labels = map[string]string{discoveryv1.LabelServiceName: o.Labels[discoveryv1.LabelServiceName]}
		for _, e := range o.Endpoints {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: e.Addresses})
		}
		return s, nil
	}
	return o, nil
}
