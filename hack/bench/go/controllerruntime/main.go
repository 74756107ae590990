// SPDX-License-Identifier: Apache-2.0

// The peer controller-runtime: a manager with a reconciler for each kind (its cache reads protobuf on its own), with
// managedFields stripped. TRIM=1 keeps of each object only what our records keep.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"bench/measure"
)

func manager(o cache.Options) ctrl.Manager {
	o.DefaultTransform = measure.Strip
	if os.Getenv("TRIM") != "" {
		o.DefaultTransform = trim
	}
	m, err := ctrl.NewManager(measure.Config(""), ctrl.Options{Cache: o, Metrics: server.Options{BindAddress: "0"}})
	measure.Check(err)
	return m
}

var reconciled atomic.Int64

// counting reads the object from the cache, as every reconciler does first, and is content.
type counting[T client.Object] struct {
	client.Client
	new func() T
}

func (r counting[T]) Reconcile(ctx context.Context, q ctrl.Request) (ctrl.Result, error) {
	err := r.Get(ctx, q.NamespacedName, r.new())
	reconciled.Add(1)
	measure.Events.Add(1)
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

func informers(ctx context.Context, c cache.Cache, kinds ...client.Object) (all []cache.Informer) {
	for _, kind := range kinds {
		i, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		measure.Check(err)
		all = append(all, i)
	}
	return all
}

func wait(all []cache.Informer) {
	for _, i := range all {
		for !i.HasSynced() {
			time.Sleep(time.Millisecond)
		}
	}
}

func counter(all []cache.Informer) func() int {
	return func() (n int) {
		for _, i := range all {
			n += len(i.(toolscache.SharedIndexInformer).GetStore().ListKeys())
		}
		return n
	}
}

func sync(ctx context.Context) {
	m := manager(cache.Options{})
	measure.Check(ctrl.NewControllerManagedBy(m).For(&corev1.Service{}).Complete(
		counting[*corev1.Service]{m.GetClient(), func() *corev1.Service { return &corev1.Service{} }}))
	measure.Check(ctrl.NewControllerManagedBy(m).For(&discoveryv1.EndpointSlice{}).Complete(
		counting[*discoveryv1.EndpointSlice]{m.GetClient(), func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} }}))
	go func() { measure.Check(m.Start(ctx)) }()
	all := informers(ctx, m.GetCache(), &corev1.Service{}, &discoveryv1.EndpointSlice{})
	wait(all)
	count := counter(all)
	n := count()
	measure.Say("synced", n)
	for reconciled.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	measure.Say("reconciled", n)
	measure.Stay(count)
}

func idle(ctx context.Context, dir string, watches int, ns string) {
	kinds := []client.Object{&corev1.Service{}, &corev1.Secret{}}
	if watches > 2 {
		kinds = append(kinds, &corev1.ConfigMap{}, &appsv1.Deployment{}, &corev1.ServiceAccount{}, &corev1.Namespace{})
	}
	var all []cache.Informer
	for _, config := range measure.Configs(dir) {
		c, err := cache.New(config, cache.Options{DefaultTransform: measure.Strip, DefaultNamespaces: map[string]cache.Config{ns: {}}})
		measure.Check(err)
		go func() { measure.Check(c.Start(ctx)) }()
		all = append(all, informers(ctx, c, kinds...)...)
	}
	wait(all)
	measure.Say("synced", 0)
	measure.Stay(func() int { return 0 })
}

type patching struct{ client.Client }

func (r patching) Reconcile(ctx context.Context, q ctrl.Request) (ctrl.Result, error) {
	var in corev1.ConfigMap
	if err := r.Get(ctx, q.NamespacedName, &in); err != nil {
		return ctrl.Result{}, err
	}
	patch, _ := json.Marshal(map[string]any{"data": in.Data})
	out := &corev1.ConfigMap{}
	out.Namespace, out.Name = q.Namespace, "bench-out"
	return ctrl.Result{}, r.Patch(ctx, out, client.RawPatch(types.MergePatchType, patch))
}

func react(ctx context.Context, ns string) {
	only := cache.ByObject{Namespaces: map[string]cache.Config{ns: {}}, Field: fields.OneTermEqualSelector("metadata.name", "bench-in")}
	m := manager(cache.Options{ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: only}})
	measure.Check(ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).Complete(patching{m.GetClient()}))
	go func() { measure.Check(m.Start(ctx)) }()
	m.GetCache().WaitForCacheSync(ctx)
	measure.Say("synced", 1)
	measure.Stay(func() int { return 1 })
}

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx := context.Background()
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "sync":
		sync(ctx)
	case len(args) == 4 && args[0] == "idle":
		n, err := strconv.Atoi(args[2])
		measure.Check(err)
		idle(ctx, args[1], n, args[3])
	case len(args) == 2 && args[0] == "react":
		react(ctx, args[1])
	default:
		measure.Usage()
	}
}
