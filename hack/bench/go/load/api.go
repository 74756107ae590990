// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"bench/measure"
)

func connect(file string, proto bool) kubernetes.Interface {
	config := measure.Config(file)
	config.ContentType = runtime.ContentTypeJSON
	if proto {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf
	}
	c, err := kubernetes.NewForConfig(config)
	measure.Check(err)
	return c
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// small puts n objects of each kind that the idle peers watch into one namespace of a cluster.
func small(c kubernetes.Interface, ns string, n int) error {
	ctx, o := context.Background(), metav1.CreateOptions{}
	_, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, o)
	if ignoreExists(err) != nil {
		return err
	}
	for i := range n {
		m := meta(random(uint64(i)), i, fmt.Sprintf("thing-%d", i))
		m.Namespace, m.UID = ns, ""
		s := &corev1.Service{ObjectMeta: m, Spec: service(headful+i, 0).Spec}
		pod := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: m.Labels}}
		pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "example.com/image"}}
		d := &appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: m.Labels}, Template: pod}}
		data := map[string]string{"text": text(random(uint64(i)), 200)}
		for _, create := range []func() error{
			func() error { _, err := c.CoreV1().Services(ns).Create(ctx, s, o); return err },
			func() error {
				_, err := c.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: m, StringData: data}, o)
				return err
			},
			func() error {
				_, err := c.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: m, Data: data}, o)
				return err
			},
			func() error { _, err := c.AppsV1().Deployments(ns).Create(ctx, d, o); return err },
			func() error {
				_, err := c.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: m}, o)
				return err
			},
		} {
			if err := ignoreExists(create()); err != nil {
				return err
			}
		}
	}
	return nil
}

func loadSmall(ns string, n int, files []string) error {
	jobs, failures := make(chan string), make(chan error, len(files))
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for file := range jobs {
				failures <- small(connect(file, false), ns, n)
			}
		})
	}
	for _, file := range files {
		jobs <- file
	}
	close(jobs)
	workers.Wait()
	for range files {
		if err := <-failures; err != nil {
			return err
		}
	}
	return nil
}

type wrote struct {
	Writes  int     `json:"writes"`
	Seconds float64 `json:"seconds"`
}

// churn has two writers, one of Services and one of EndpointSlices, that replace n objects in turn: as fast as the
// server takes it (rate 0), or rate writes a second together.
func churn(n int, seconds, rate float64) error {
	var writes [2]int
	var failures [2]error
	var writers sync.WaitGroup
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	turn := int(begin.Unix())
	for w := range 2 {
		c := connect("", true)
		writers.Go(func() {
			for i := 0; time.Now().Before(end) && failures[w] == nil; i++ {
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(float64(2*i+w) / rate * float64(time.Second)))))
				}
				if failures[w] = replace(c, w, headful+i%(n-headful), turn+i/(n-headful)); failures[w] == nil {
					writes[w]++
				}
			}
		})
	}
	writers.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(wrote{writes[0] + writes[1], time.Since(begin).Seconds()})
}

func replace(c kubernetes.Interface, writer, i, turn int) error {
	if writer == 0 {
		s := service(i, turn)
		s.UID, s.ManagedFields = "", nil
		_, err := c.CoreV1().Services(s.Namespace).Update(context.Background(), s, metav1.UpdateOptions{})
		return err
	}
	s := slice(i, turn)
	s.UID, s.ManagedFields = "", nil
	_, err := c.DiscoveryV1().EndpointSlices(s.Namespace).Update(context.Background(), s, metav1.UpdateOptions{})
	return err
}
