// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// What the tables of kube_schema name. Empty strings and zero numbers stand for absent ones, except where a pointer says
// that the difference counts.
type seen struct {
	Version, Continue string
	Objects           []object
}

type object struct {
	Event                               int64
	Name, Namespace, UID, Version       string
	Generation                          int64
	Deletion                            *int64
	Labels, Annotations                 map[string]string
	Managers                            []manager
	Selector                            map[string]string
	ClusterIP, Type, Phase, AddressType string
	Ports                               []port
	Replicas                            *int64
	Observed, Updated, Available        int64
	Endpoints                           []endpoint
	ClusterIPs, ExternalIPs             []string
	ExternalName, Account               string
	Ingress                             []ingress
}

type manager struct{ Name, Operation, Subresource, Fields string }
type port struct {
	Name, Protocol, AppProtocol string
	Number, Node                int64
}
type ingress struct{ IP, Hostname string }
type endpoint struct {
	Addresses                  []string
	Ready                      *bool
	Hostname, Target, Referent string
}

// Prints in what s, which is Go's, is not as ours.
func (s *seen) differences(ours *seen) {
	if s.Version != ours.Version || s.Continue != ours.Continue || len(s.Objects) != len(ours.Objects) {
		fmt.Printf("  Go: %q %q, %d objects; we: %q %q, %d\n", s.Version, s.Continue, len(s.Objects),
			ours.Version, ours.Continue, len(ours.Objects))
		return
	}
	for i := range s.Objects {
		a, b := reflect.ValueOf(s.Objects[i]), reflect.ValueOf(ours.Objects[i])
		for f := 0; f < a.NumField(); f++ {
			if x, y := a.Field(f).Interface(), b.Field(f).Interface(); !reflect.DeepEqual(x, y) {
				x, _ := json.Marshal(x)
				y, _ := json.Marshal(y)
				fmt.Printf("  object %d, %s: Go %s; we %s\n", i, a.Type().Field(f).Name, x, y)
			}
		}
	}
}

// One value of read_dump's answer.
type value struct {
	name      string
	step      byte
	key, text string
	num       int64
}

func readText(r io.Reader) (string, error) {
	var n uint32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func readValue(r *bufio.Reader) (v value, err error) {
	n, err := r.ReadByte()
	if err != nil {
		return v, err
	}
	name := make([]byte, n)
	if _, err = io.ReadFull(r, name); err != nil {
		return v, err
	}
	v.name = string(name)
	if v.step, err = r.ReadByte(); err != nil {
		return v, err
	}
	if v.key, err = readText(r); err != nil {
		return v, err
	}
	if v.text, err = readText(r); err != nil {
		return v, err
	}
	err = binary.Read(r, binary.LittleEndian, &v.num)
	return v, err
}

func readAnswer(r *bufio.Reader, t *test) (bool, *seen, error) {
	var n uint32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return false, nil, err
	}
	body := bufio.NewReader(io.LimitReader(r, int64(n)))
	refused, err := body.ReadByte()
	if err != nil {
		return false, nil, err
	}
	f := fold{json: t.mode.json()}
	if t.mode <= objectJSON {
		f.seen.Objects = []object{{}}
	}
	for {
		v, err := readValue(body)
		if err == io.EOF {
			return refused == '0', &f.seen, nil
		}
		if err != nil {
			return false, nil, err
		}
		f.add(v)
	}
}

// Values become objects: of what comes more than once, the last counts.
type fold struct {
	json  bool
	event int64
	seen  seen
}

// Go's JSON decoder puts U+FFFD for each byte that is no UTF-8; ours leaves them.
func (f *fold) valid(s string) string {
	if f.json {
		return string([]rune(s))
	}
	return s
}

func set(m *map[string]string, key, text string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = text
}

func (f *fold) add(v value) {
	v.key = f.valid(v.key)
	if v.name != "manager.fields" {
		v.text = f.valid(v.text)
	}
	switch v.name {
	case "list.version":
		f.seen.Version = v.text
		return
	case "list.continue":
		f.seen.Continue = v.text
		return
	case "event":
		f.event = v.num
		return
	case "object":
		if v.step == 1 {
			f.seen.Objects = append(f.seen.Objects, object{Event: f.event})
		}
		return
	}
	f.seen.Objects[len(f.seen.Objects)-1].add(v)
}

func (o *object) add(v value) {
	num := v.num
	switch v.name {
	case "name":
		o.Name = v.text
	case "namespace":
		o.Namespace = v.text
	case "uid":
		o.UID = v.text
	case "version":
		o.Version = v.text
	case "generation":
		o.Generation = num
	case "deletion":
		o.Deletion = &num
	case "label":
		set(&o.Labels, v.key, v.text)
	case "annotation":
		set(&o.Annotations, v.key, v.text)
	case "selector":
		set(&o.Selector, v.key, v.text)
	case "clusterIP":
		o.ClusterIP = v.text
	case "type":
		o.Type = v.text
	case "phase":
		o.Phase = v.text
	case "externalName":
		o.ExternalName = v.text
	case "serviceAccount":
		o.Account = v.text
	case "addressType":
		o.AddressType = v.text
	case "replicas":
		num = int64(int32(num))
		o.Replicas = &num
	case "observedGeneration":
		o.Observed = num
	case "updatedReplicas":
		o.Updated = int64(int32(num))
	case "availableReplicas":
		o.Available = int64(int32(num))
	default:
		o.addToList(v)
	}
}

func (o *object) addToList(v value) {
	begin := v.step == 1
	switch v.name {
	case "manager":
		if begin {
			o.Managers = append(o.Managers, manager{})
		}
	case "manager.name":
		o.Managers[len(o.Managers)-1].Name = v.text
	case "manager.operation":
		o.Managers[len(o.Managers)-1].Operation = v.text
	case "manager.subresource":
		o.Managers[len(o.Managers)-1].Subresource = v.text
	case "manager.fields":
		o.Managers[len(o.Managers)-1].Fields = v.text
	case "port":
		if begin {
			o.Ports = append(o.Ports, port{})
		}
	case "port.name":
		o.Ports[len(o.Ports)-1].Name = v.text
	case "port.protocol":
		o.Ports[len(o.Ports)-1].Protocol = v.text
	case "port.appProtocol":
		o.Ports[len(o.Ports)-1].AppProtocol = v.text
	case "port.node":
		o.Ports[len(o.Ports)-1].Node = int64(int32(v.num))
	case "clusterIPs":
		o.ClusterIPs = append(o.ClusterIPs, v.text)
	case "externalIP":
		o.ExternalIPs = append(o.ExternalIPs, v.text)
	case "ingress":
		if begin {
			o.Ingress = append(o.Ingress, ingress{})
		}
	case "ingress.ip":
		o.Ingress[len(o.Ingress)-1].IP = v.text
	case "ingress.hostname":
		o.Ingress[len(o.Ingress)-1].Hostname = v.text
	case "hostname":
		o.Endpoints[len(o.Endpoints)-1].Hostname = v.text
	case "target.kind":
		o.Endpoints[len(o.Endpoints)-1].Target = v.text
	case "target.name":
		o.Endpoints[len(o.Endpoints)-1].Referent = v.text
	case "port.number":
		o.Ports[len(o.Ports)-1].Number = int64(int32(v.num))
	case "endpoint":
		if begin {
			o.Endpoints = append(o.Endpoints, endpoint{})
		}
	case "address":
		e := &o.Endpoints[len(o.Endpoints)-1]
		e.Addresses = append(e.Addresses, v.text)
	case "ready":
		ready := v.num != 0
		o.Endpoints[len(o.Endpoints)-1].Ready = &ready
	default:
		panic("unknown value " + v.name)
	}
}

func seconds(t *metav1.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Empty maps are as absent ones.
func entries(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func ofMeta(m *metav1.ObjectMeta) object {
	o := object{
		Name: m.Name, Namespace: m.Namespace, UID: string(m.UID), Version: m.ResourceVersion, Generation: m.Generation,
		Deletion: seconds(m.DeletionTimestamp),
		Labels:   entries(m.Labels), Annotations: entries(m.Annotations),
	}
	for _, e := range m.ManagedFields {
		x := manager{Name: e.Manager, Operation: string(e.Operation), Subresource: e.Subresource}
		if e.FieldsV1 != nil {
			x.Fields = string(e.FieldsV1.GetRawBytes())
		}
		o.Managers = append(o.Managers, x)
	}
	return o
}

// What Go decoded, of what that kind's table names.
func ofObject(k kind, obj runtime.Object) object {
	switch x := obj.(type) {
	case *corev1.Service:
		o := ofMeta(&x.ObjectMeta)
		if k == kindMeta {
			return o
		}
		o.Selector, o.ClusterIP, o.Type = entries(x.Spec.Selector), x.Spec.ClusterIP, string(x.Spec.Type)
		for _, p := range x.Spec.Ports {
			o.Ports = append(o.Ports, port{p.Name, string(p.Protocol), text(p.AppProtocol), int64(p.Port), int64(p.NodePort)})
		}
		o.ClusterIPs = append(o.ClusterIPs, x.Spec.ClusterIPs...)
		o.ExternalIPs = append(o.ExternalIPs, x.Spec.ExternalIPs...)
		o.ExternalName = x.Spec.ExternalName
		for _, i := range x.Status.LoadBalancer.Ingress {
			o.Ingress = append(o.Ingress, ingress{i.IP, i.Hostname})
		}
		return o
	case *networkingv1.Ingress:
		o := ofMeta(&x.ObjectMeta)
		for _, i := range x.Status.LoadBalancer.Ingress {
			o.Ingress = append(o.Ingress, ingress{i.IP, i.Hostname})
		}
		return o
	case *corev1.Pod:
		o := ofMeta(&x.ObjectMeta)
		o.Account = x.Spec.ServiceAccountName
		return o
	case *corev1.Namespace:
		o := ofMeta(&x.ObjectMeta)
		o.Phase = string(x.Status.Phase)
		return o
	case *appsv1.Deployment:
		o := ofMeta(&x.ObjectMeta)
		if x.Spec.Replicas != nil {
			n := int64(*x.Spec.Replicas)
			o.Replicas = &n
		}
		o.Observed = x.Status.ObservedGeneration
		o.Updated, o.Available = int64(x.Status.UpdatedReplicas), int64(x.Status.AvailableReplicas)
		return o
	case *discoveryv1.EndpointSlice:
		o := ofMeta(&x.ObjectMeta)
		o.AddressType = string(x.AddressType)
		for _, p := range x.Ports {
			y := port{Name: text(p.Name), Protocol: text((*string)(p.Protocol)), AppProtocol: text(p.AppProtocol)}
			if p.Port != nil {
				y.Number = int64(*p.Port)
			}
			o.Ports = append(o.Ports, y)
		}
		for _, e := range x.Endpoints {
			y := endpoint{Ready: e.Conditions.Ready, Hostname: text(e.Hostname)}
			if e.TargetRef != nil {
				y.Target, y.Referent = e.TargetRef.Kind, e.TargetRef.Name
			}
			y.Addresses = append(y.Addresses, e.Addresses...)
			o.Endpoints = append(o.Endpoints, y)
		}
		return o
	}
	return object{}
}
