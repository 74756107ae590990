// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

func setItems(list runtime.Object, items []runtime.Object) error { return meta.SetList(list, items) }

func decoder(m mode) runtime.Decoder {
	if m.json() {
		return jsonReader
	}
	return proto
}

// nil when Go refuses it, or it says that it is of another kind.
func decode(t *test) *seen {
	switch {
	case t.mode <= objectJSON:
		return decodeObject(t)
	case t.mode <= listJSON:
		return decodeList(t)
	}
	return decodeWatch(t)
}

func decodeObject(t *test) *seen {
	obj, _, err := decoder(t.mode).Decode(t.data, nil, nil)
	if err != nil || reflect.TypeOf(obj) != reflect.TypeOf(newObject(t.kind)) {
		return nil
	}
	return &seen{Objects: []object{ofObject(t.kind, obj)}}
}

func decodeList(t *test) *seen {
	list, _, err := decoder(t.mode).Decode(t.data, nil, nil)
	if err != nil || reflect.TypeOf(list) != reflect.TypeOf(newList(t.kind)) {
		return nil
	}
	m := list.(metav1.ListMetaAccessor).GetListMeta()
	s := &seen{Version: m.GetResourceVersion(), Continue: m.GetContinue()}
	err = meta.EachListItem(list, func(obj runtime.Object) error {
		s.Objects = append(s.Objects, ofObject(t.kind, obj))
		return nil
	})
	if err != nil {
		return nil
	}
	return s
}

// Go's watch ends at the first event that it does not understand; so does the comparison.
func decodeWatch(t *test) *seen {
	frames := framer(t)
	s := &seen{}
	buf := make([]byte, 1<<20)
	for {
		n, err := frames.Read(buf)
		if err == io.EOF {
			return s
		}
		var event metav1.WatchEvent
		into := runtime.Decoder(protoRaw)
		if t.mode.json() {
			into = jsonReader
		}
		if err == nil {
			_, _, err = into.Decode(buf[:n], nil, &event)
		}
		if err != nil {
			return nil
		}
		obj, _, err := decoder(t.mode).Decode(event.Object.Raw, nil, nil)
		if err != nil || reflect.TypeOf(obj) != reflect.TypeOf(newObject(t.kind)) {
			return nil
		}
		o := ofObject(t.kind, obj)
		if o.Event = eventType(event.Type); o.Event < 0 {
			return nil
		}
		s.Objects = append(s.Objects, o)
	}
}

func eventType(s string) int64 {
	for i, e := range eventTypes {
		if string(e) == s {
			return int64(i)
		}
	}
	return -1
}

func framer(t *test) io.Reader {
	body := io.NopCloser(bytes.NewReader(t.data))
	if t.mode.json() {
		return json.Framer.NewFrameReader(body)
	}
	return protobuf.LengthDelimitedFramer.NewFrameReader(body)
}
