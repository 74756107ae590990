// SPDX-License-Identifier: Apache-2.0

// The peer client-go: shared informers over protobuf, with managedFields stripped. KUBE_FEATURE_WatchListClient=false
// makes it list and then watch.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"bench/measure"
)

var counter = cache.ResourceEventHandlerDetailedFuncs{
	AddFunc: func(_ any, first bool) {
		if !first {
			measure.Events.Add(1)
		}
	},
	UpdateFunc: func(_, _ any) { measure.Events.Add(1) },
	DeleteFunc: func(any) { measure.Events.Add(1) },
}

func client(config *rest.Config) kubernetes.Interface {
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c, err := kubernetes.NewForConfig(config)
	measure.Check(err)
	return c
}

func stay(all []cache.SharedIndexInformer) {
	var synced []cache.InformerSynced
	for _, i := range all {
		r, err := i.AddEventHandler(counter)
		measure.Check(err)
		synced = append(synced, r.HasSynced)
		go i.Run(nil)
	}
	cache.WaitForCacheSync(nil, synced...)
	count := func() (n int) {
		for _, i := range all {
			n += len(i.GetStore().ListKeys())
		}
		return n
	}
	measure.Say("synced", count())
	measure.Stay(count)
}

func sync() {
	f := informers.NewSharedInformerFactoryWithOptions(client(measure.Config("")), 0, informers.WithTransform(measure.Strip))
	stay([]cache.SharedIndexInformer{f.Core().V1().Services().Informer(), f.Discovery().V1().EndpointSlices().Informer()})
}

func idle(dir string, watches int, ns string) {
	var all []cache.SharedIndexInformer
	for _, config := range measure.Configs(dir) {
		f := informers.NewSharedInformerFactoryWithOptions(client(config), 0, informers.WithTransform(measure.Strip), informers.WithNamespace(ns))
		core := f.Core().V1()
		all = append(all, core.Services().Informer(), core.Secrets().Informer())
		if watches > 2 {
			all = append(all, core.ConfigMaps().Informer(), f.Apps().V1().Deployments().Informer(),
				core.ServiceAccounts().Informer(), core.Namespaces().Informer())
		}
	}
	stay(all)
}

func react(ns string) {
	c := client(measure.Config(""))
	f := informers.NewSharedInformerFactoryWithOptions(c, 0, informers.WithNamespace(ns),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = "metadata.name=bench-in" }))
	i := f.Core().V1().ConfigMaps().Informer()
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, o any) {
		patch, _ := json.Marshal(map[string]any{"data": o.(*corev1.ConfigMap).Data})
		_, err := c.CoreV1().ConfigMaps(ns).Patch(context.Background(), "bench-out", types.MergePatchType, patch, metav1.PatchOptions{})
		measure.Check(err)
	}})
	measure.Check(err)
	stay([]cache.SharedIndexInformer{i})
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "sync":
		sync()
	case len(args) == 4 && args[0] == "idle":
		n, err := strconv.Atoi(args[2])
		measure.Check(err)
		idle(args[1], n, args[3])
	case len(args) == 2 && args[0] == "react":
		react(args[1])
	default:
		measure.Usage()
	}
}
