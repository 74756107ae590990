// SPDX-License-Identifier: Apache-2.0

// reaction measures from outside how long a peer takes from an event to the write that answers it. It stands between
// the peer and the API server (TLS on both sides, the bytes in between untouched): the clock runs from when the last
// bytes of the event are handed to the peer's connection until the first bytes of the next request have come.
//
//	reaction KUBECONFIG CERT KEY NAMESPACE N OUT
//
// writes a kubeconfig for the peer to OUT and says "ready"; at SIGUSR1 changes the ConfigMap bench-in N times, waiting
// for the write each time, and prints the times in microseconds.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"bench/measure"
)

// watchman waits for one event and one request at a time.
type watchman struct {
	sync.Mutex
	armed  bool
	handed time.Time
	took   chan time.Duration
}

func (w *watchman) event(at time.Time) {
	w.Lock()
	defer w.Unlock()
	if w.armed {
		w.handed = at
	}
}

func (w *watchman) request(at time.Time) {
	w.Lock()
	defer w.Unlock()
	if w.armed && !w.handed.IsZero() {
		w.armed = false
		w.took <- at.Sub(w.handed)
	}
}

func (w *watchman) arm() {
	w.Lock()
	defer w.Unlock()
	w.armed, w.handed = true, time.Time{}
}

func copyBytes(to, from net.Conn, seen func([]byte)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64*1024)
	for {
		n, err := from.Read(b)
		if n > 0 {
			seen(b[:n])
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func serve(w *watchman, c *tls.Conn, upstream string, config *tls.Config) {
	if c.Handshake() != nil {
		c.Close()
		return
	}
	protocol := c.ConnectionState().NegotiatedProtocol
	config = config.Clone()
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	server, err := tls.Dial("tcp", upstream, config)
	if err != nil {
		c.Close()
		return
	}
	var mutex sync.Mutex
	t := &talk{http2: protocol == "h2"}
	go copyBytes(c, server, func(b []byte) {
		at := time.Now()
		mutex.Lock()
		defer mutex.Unlock()
		if t.event(b) {
			w.event(at)
		}
	})
	copyBytes(server, c, func(b []byte) {
		at := time.Now()
		mutex.Lock()
		defer mutex.Unlock()
		if t.request(b) {
			w.request(at)
		}
	})
}

// listen stands before the server of config with its certificate; the peer needs no credentials, we add ours.
func listen(w *watchman, config *rest.Config, certFile, keyFile string) (string, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return "", err
	}
	own, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.CAData)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return "", err
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(w, c.(*tls.Conn), server.Host, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}})
		}
	}()
	return "https://" + l.Addr().String(), nil
}

func writeKubeconfig(from, to, address string) error {
	c, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	for _, cluster := range c.Clusters {
		cluster.Server = address
	}
	return clientcmd.WriteToFile(*c, to)
}

func prepare(c kubernetes.Interface, ns string) error {
	for _, name := range []string{"bench-in", "bench-out"} {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"n": "0"}}
		if _, err := c.CoreV1().ConfigMaps(ns).Create(context.Background(), o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func trigger(w *watchman, c kubernetes.Interface, ns string, n int) (times []float64, missed int, err error) {
	for i := range n {
		w.arm()
		patch := fmt.Sprintf(`{"data":{"n":"%d-%d"}}`, time.Now().UnixNano(), i)
		if _, err := c.CoreV1().ConfigMaps(ns).Patch(context.Background(), "bench-in", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			return nil, 0, err
		}
		select {
		case took := <-w.took:
			times = append(times, float64(took.Nanoseconds())/1e3)
		case <-time.After(2 * time.Second):
			missed++
		}
		time.Sleep(10 * time.Millisecond) // the answer to the write comes and goes
	}
	return times, missed, nil
}

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: reaction KUBECONFIG CERT KEY NAMESPACE N OUT")
		os.Exit(2)
	}
	ns := os.Args[4]
	n, err := strconv.Atoi(os.Args[5])
	measure.Check(err)
	config := measure.Config(os.Args[1])
	c, err := kubernetes.NewForConfig(config)
	measure.Check(err)
	measure.Check(prepare(c, ns))
	w := &watchman{took: make(chan time.Duration, 1)}
	address, err := listen(w, config, os.Args[2], os.Args[3])
	measure.Check(err)
	measure.Check(writeKubeconfig(os.Args[1], os.Args[6], address))
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	fmt.Println("ready")
	<-begin
	times, missed, err := trigger(w, c, ns, n)
	measure.Check(err)
	measure.Check(json.NewEncoder(os.Stdout).Encode(map[string]any{"us": times, "missed": missed}))
}
