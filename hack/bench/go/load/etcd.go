// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// etcd's own bound is 128 operations in a transaction.
const batch = 100

type put struct {
	Put pair `json:"requestPut"`
}

type pair struct { // in base64, as encoding/json writes bytes
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// etcd stores objects where the API server looks for them when it starts, in the form in which it stores them itself:
// many times faster than creating them. It talks to etcd's JSON gateway.
type etcd struct {
	url     string
	encoder runtime.Encoder
	puts    []put
}

func newEtcd(url string) *etcd {
	return &etcd{url: url, encoder: protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)}
}

func (e *etcd) add(key string, o runtime.Object) error {
	var b bytes.Buffer
	if err := e.encoder.Encode(o, &b); err != nil {
		return err
	}
	e.puts = append(e.puts, put{pair{[]byte(key), b.Bytes()}})
	if len(e.puts) < batch {
		return nil
	}
	return e.flush()
}

func (e *etcd) flush() error {
	if len(e.puts) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"success": e.puts})
	if err != nil {
		return err
	}
	e.puts = e.puts[:0]
	answer, err := http.Post(e.url+"/v3/kv/txn", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s: %s", answer.Status, said)
	}
	return nil
}

func loadEtcd(url string, n int) error {
	e := newEtcd(url)
	for i := range namespaces {
		if err := e.add("/registry/namespaces/"+namespaceName(i), namespace(i)); err != nil {
			return err
		}
	}
	for i := range n {
		s, ep := service(i, 0), slice(i, 0)
		if err := e.add("/registry/services/specs/"+s.Namespace+"/"+s.Name, s); err != nil {
			return err
		}
		if err := e.add("/registry/endpointslices/"+ep.Namespace+"/"+ep.Name, ep); err != nil {
			return err
		}
	}
	return e.flush()
}
