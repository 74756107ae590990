// SPDX-License-Identifier: Apache-2.0

// Package measure is what the Go peers have in common: they say in lines of JSON what they have used so far, first when
// their caches are synced, then whenever a signal asks.
package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Events counts what came after the first list.
var Events atomic.Int64

// Line is what a peer says; hack/bench/run reads it.
type Line struct {
	At      string  `json:"at"`
	WallMS  float64 `json:"wall_ms"`
	CPU     float64 `json:"cpu_s"`
	RSS     int     `json:"rss_kb"`
	Peak    int     `json:"hwm_kb"`
	Threads int     `json:"threads"`
	Objects int     `json:"objects"`
	Events  int64   `json:"events"`
}

func status(text, name string) int {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	return 0
}

func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// Say prints a line. at says why.
func Say(at string, objects int) {
	start, _ := strconv.ParseInt(os.Getenv("BENCH_START"), 10, 64)
	line := Line{At: at, WallMS: float64(time.Now().UnixNano()-start) / 1e6, CPU: cpu(), Objects: objects, Events: Events.Load()}
	text, _ := os.ReadFile("/proc/self/status")
	line.RSS, line.Peak, line.Threads = status(string(text), "VmRSS"), status(string(text), "VmHWM"), status(string(text), "Threads")
	out, _ := json.Marshal(line)
	fmt.Println(string(out))
}

// Stay answers signals until the process is ended: USR1 says, USR2 frees what can be freed, and says.
func Stay(count func() int) {
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	for s := range asked {
		if s == syscall.SIGUSR1 {
			Say("mark", count())
			continue
		}
		runtime.GC()
		debug.FreeOSMemory()
		Say("freed", count())
	}
}

// Config reads a kubeconfig; "" is $KUBECONFIG.
func Config(file string) *rest.Config {
	if file == "" {
		file = os.Getenv("KUBECONFIG")
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	Check(err)
	config.QPS = -1
	return config
}

// Configs reads all kubeconfigs of a folder.
func Configs(dir string) []*rest.Config {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	Check(err)
	var all []*rest.Config
	for _, file := range files {
		all = append(all, Config(file))
	}
	return all
}

// Strip is the transform that both peers recommend.
func Strip(o any) (any, error) {
	if m, ok := o.(metav1.Object); ok && m.GetManagedFields() != nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

// Check ends the process on an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Usage ends the process.
func Usage() {
	fmt.Fprintln(os.Stderr, "usage: "+filepath.Base(os.Args[0])+" sync | idle DIR WATCHES NAMESPACE | react NAMESPACE")
	os.Exit(2)
}
