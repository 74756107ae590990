// SPDX-License-Identifier: Apache-2.0

// load fills servers with the objects of the benchmarks, and keeps them changing.
package main

import (
	"fmt"
	"os"
	"strconv"

	"bench/measure"
)

const usage = `usage: load etcd URL N               N Services and N EndpointSlices into etcd, before the API server starts
       load small NAMESPACE N FILE...  N objects of each kind that idle peers watch, by kubeconfigs
       load churn N SECONDS RATE     replaces N objects of each kind in turn at RATE writes a second, 0: at full speed`

func number(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	measure.Check(err)
	return n
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "etcd":
		measure.Check(loadEtcd(args[1], int(number(args[2]))))
	case len(args) > 3 && args[0] == "small":
		measure.Check(loadSmall(args[1], int(number(args[2])), args[3:]))
	case len(args) == 4 && args[0] == "churn":
		measure.Check(churn(int(number(args[1])), number(args[2]), number(args[3])))
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}
