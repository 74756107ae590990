// SPDX-License-Identifier: Apache-2.0

// Compares what our readers see with what Kubernetes' own decoders see: random objects, lists and watches, in protobuf
// and in JSON, as they are and mutated. What Go refuses we may take or refuse; what Go takes we must take, with the
// same values, unless the difference is one of those listed in allowed.go.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"time"
)

type mode byte

const (
	objectProto mode = iota
	objectJSON
	listProto
	listJSON
	watchProto
	watchJSON
	modes
)

func (m mode) json() bool { return m%2 == 1 }

// One input, and what Go made of it.
type test struct {
	mode    mode
	kind    kind
	pieces  byte
	mutated bool
	data    []byte
	want    *seen // nil: Go refuses it
}

type tally struct {
	cases, wellFormed, refused int
	allowed                    map[string]int
	bad                        int
}

func generate(r *rand.Rand, n int, out chan<- *test) {
	g := newGenerator(r)
	for i := 0; i < n; i++ {
		t := &test{mode: mode(r.Intn(int(modes))), kind: kind(r.Intn(int(kinds))), pieces: byte(r.Intn(256))}
		t.data = g.make(t.mode, t.kind)
		if t.mutated = r.Intn(3) > 0; t.mutated {
			t.data = mutate(r, t.mode, t.data)
		}
		t.want = decode(t)
		if t.want == nil && !t.mutated {
			panic(fmt.Sprintf("Go refuses its own: %v %v %q", t.mode, t.kind, t.data))
		}
		out <- t
	}
	close(out)
}

func send(w io.WriteCloser, in <-chan *test, out chan<- *test) {
	b := bufio.NewWriterSize(w, 1<<16)
	for t := range in {
		head := []byte{byte(t.mode), byte(t.kind), t.pieces, 0, 0, 0, 0}
		binary.LittleEndian.PutUint32(head[3:], uint32(len(t.data)))
		b.Write(head)
		b.Write(t.data)
		b.Flush()
		out <- t
	}
	w.Close()
	close(out)
}

func check(t *test, ok bool, got *seen, sum *tally, found string) {
	sum.cases++
	switch {
	case t.want == nil:
		sum.refused++
		return
	case !t.mutated:
		sum.wellFormed++
	}
	if ok && reflect.DeepEqual(t.want, got) {
		return
	}
	if t.mutated {
		if why := allowed(t, ok, got); why != "" {
			sum.allowed[why]++
			return
		}
	}
	sum.bad++
	path := filepath.Join(found, fmt.Sprintf("differ-%d", sum.bad))
	os.MkdirAll(found, 0o755)
	os.WriteFile(path, t.data, 0o644)
	fmt.Printf("%s: mode %d, kind %d, mutated %v: we %s\n", path, t.mode, t.kind, t.mutated,
		map[bool]string{true: "see other values", false: "refuse it"}[ok])
	if ok {
		t.want.differences(got)
	}
}

func run(reader string, seed int64, n int, found string) (tally, error) {
	sum := tally{allowed: map[string]int{}}
	cmd := exec.Command(reader)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return sum, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return sum, err
	}
	if err := cmd.Start(); err != nil {
		return sum, err
	}
	made, sent := make(chan *test, 64), make(chan *test, 64)
	go generate(rand.New(rand.NewSource(seed)), n, made)
	go send(stdin, made, sent)
	answers := bufio.NewReaderSize(stdout, 1<<16)
	for t := range sent {
		ok, got, err := readAnswer(answers, t)
		if err != nil {
			os.MkdirAll(found, 0o755)
			os.WriteFile(filepath.Join(found, "differ-crash"), t.data, 0o644)
			return sum, fmt.Errorf("the reader gave no answer: %w", err)
		}
		check(t, ok, got, &sum, found)
		if sum.bad >= 10 {
			return sum, fmt.Errorf("too many differences")
		}
	}
	return sum, cmd.Wait()
}

func main() {
	seed := flag.Int64("seed", 1, "seed of the random objects")
	n := flag.Int("n", 20000, "number of cases")
	found := flag.String("found", ".", "folder for inputs that are read differently")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: differ [-seed N] [-n CASES] [-found FOLDER] READ_DUMP")
		os.Exit(2)
	}
	start := time.Now()
	sum, err := run(flag.Arg(0), *seed, *n, *found)
	fmt.Printf("%d cases in %.1f s (seed %d): %d well-formed, %d mutated that Go takes, %d that Go refuses\n", sum.cases,
		time.Since(start).Seconds(), *seed, sum.wellFormed, sum.cases-sum.wellFormed-sum.refused, sum.refused)
	var names []string
	for why := range sum.allowed {
		names = append(names, why)
	}
	sort.Strings(names)
	for _, why := range names {
		fmt.Printf("  allowed: %-24s %d\n", why, sum.allowed[why])
	}
	if err != nil || sum.bad > 0 {
		fmt.Printf("%d differences; %v\n", sum.bad, err)
		os.Exit(1)
	}
}
