# SPDX-License-Identifier: Apache-2.0
# One non-recursive Makefile. Objects go to build/<variant>/; V=1 shows the commands.
# Variants: make SAN=address,undefined ..., make SAN=thread ...

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.SUFFIXES:

ISTIO_VERSION := 1.31.0
CACHE   := $(or $(MESHWRIGHT_CACHE),$(HOME)/.cache/meshwright)
comma   := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)
O       := build/$(VARIANT)
Q       := $(if $(V),,@)

# What a newcomer types first works on a fresh machine: the packages are installed, then make reads this file anew.
ifneq ($(filter try faults demo test check integration e2e lab,$(MAKECMDGOALS)),)
include build/deps.mk
endif
build/deps.mk: hack/deps
	@hack/deps && mkdir -p build && touch $@

CC      ?= gcc
PKGS    := libuv libcurl libnghttp2 zlib jansson yaml-0.1 openssl libwebsockets
WARN    := -Wall -Wextra -Wpedantic -Wformat=2 -Wformat-signedness -Wconversion -Wsign-conversion -Wshadow -Wvla \
           -Wundef -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings \
           -Wswitch-enum -Wnull-dereference -Wduplicated-cond -Wduplicated-branches -Wlogical-op \
           -Wimplicit-fallthrough=5
HARDEN  := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
           -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fno-strict-overflow -fPIE
CFLAGS  := -std=gnu17 -D_GNU_SOURCE -Ipkg -Icontroller -Ibuild/gen -g $(if $(LIBFUZZER),-w,$(WARN)) $(if $(WERROR),-Werror) \
           $(if $(SAN),-O1 -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -fPIE,-O2 $(HARDEN)) \
           $(addprefix -isystem ,) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections $(if $(SAN),-fsanitize=$(SAN))
# libwebsockets opens its libuv plugin at run time, so no linker knows of it.
EVLIB   := $(wildcard /usr/lib/*/libwebsockets-evlib_uv.so)
LIBS    := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

SRC     := $(filter-out %_test.c pkg/kubesim/%,$(wildcard pkg/*/*.c))
SIM     := $(filter-out %_test.c,$(wildcard pkg/kubesim/*.c))
MAIN    := $(filter-out %_test.c,$(wildcard controller/*.c controller/*/*.c))
CTRL    := $(filter-out controller/main.c,$(MAIN))
TESTS   := $(wildcard pkg/*/*_test.c controller/*_test.c controller/*/*_test.c)
SHTESTS := $(wildcard pkg/*/*_test.sh)
INTEG   := $(wildcard test/integration/*_test.c)
FUZZ    := $(wildcard fuzz/*_fuzz.c)
GEN     := build/gen/manifests.gen.c build/gen/scripts.gen.c
LIB     := $(O)/libmeshwright.a
# A test server, and not a part of the controller: its libraries are none of ours.
SIMLIB  := $(O)/libkubesim.a
SIMLIBS := $(shell pkg-config --libs libnghttp2 2>/dev/null) -lhttp_parser -lz
BIN     := $(O)/meshwright
TESTBIN := $(TESTS:%.c=$(O)/%)
FUZZBIN := $(FUZZ:%.c=$(O)/%)
INTBIN  := $(INTEG:%.c=$(O)/%)
FAULTS  := $(O)/test/faults/faults
FAULTOBJ := $(patsubst %.c,$(O)/%.o,$(wildcard test/faults/*.c))
OBJ     := $(SRC:%.c=$(O)/%.o) $(CTRL:%.c=$(O)/%.o) $(GEN:%.c=$(O)/%.o)

##@ Build
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install the Debian packages that building, testing and the lab need (root)
	hack/deps

all: $(BIN) ## Build the controller: build/release/meshwright

build/gen/manifests.gen.c: hack/embed $(wildcard pkg/istio/manifests/*.yaml)
	@mkdir -p $(@D)
	$(Q)hack/embed $@ istio/manifests.h istio_manifests $(wildcard pkg/istio/manifests/*.yaml)

build/gen/scripts.gen.c: hack/embed pkg/machine/install.sh
	@mkdir -p $(@D)
	$(Q)hack/embed $@ machine/scripts.h machine_scripts pkg/machine/install.sh

$(O)/%.o: %.c
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC  $<")
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(OBJ)
$(SIMLIB): $(SIM:%.c=$(O)/%.o)
$(LIB) $(SIMLIB):
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BIN): $(O)/controller/main.o $(LIB)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/kubesim: $(O)/hack/kubesim/main.o $(SIMLIB) $(LIB)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(SIMLIBS)

$(O)/bench-writer: $(O)/hack/bench/fleet/writer.o $(LIB)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(FAULTS): $(FAULTOBJ) $(SIMLIB) $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(SIMLIBS)

$(TESTBIN) $(INTBIN): $(O)/%: $(O)/%.o $(SIMLIB) $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(SIMLIBS) -lcmocka

# LIBFUZZER=1, with clang: its fuzzer instead of our main, which replays files.
$(FUZZBIN): $(O)/fuzz/%: $(O)/fuzz/%.o $(if $(LIBFUZZER),,$(O)/hack/fuzz_main.o) $(LIB)
	$(Q)$(CC) $(LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -o $@ $^ $(LIBS)
-include $(FUZZBIN:=.d)

$(O)/hack/fuzz/read_dump: $(O)/hack/fuzz/read_dump.o $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

##@ Test
test: $(TESTBIN) $(FUZZBIN) $(BIN) ## Unit, golden and corpus tests (T=pkg/json/jx_test for one)
	$(Q)hack/run-tests $(O) $(if $(T),$(T),$(TESTS:%.c=%) $(FUZZ:%.c=%) $(SHTESTS))

integration: $(INTBIN) $(BIN) $(O)/kubesim $(O)/pkg/istio/istio_test istio-data ## Tests against a real API server on loopback (builds it once)
	$(Q)hack/lab/build kube-apiserver etcd kubectl
	$(Q)hack/integration $(O) $(if $(T),$(T),$(INTEG:%.c=%))

build/crds.json: $(wildcard crds/*.yaml)
	@mkdir -p $(@D)
	@python3 -c 'import json, sys, yaml; json.dump([d for f in sys.argv[1:] for d in yaml.safe_load_all(open(f)) if d], sys.stdout)' $^ >$@

faults: $(FAULTS) all istio-data build/crds.json ## Every fault at every request of an install (EVERY=n: each n-th; SCENARIO=two-networks, machines, primary-remote)
	$(FAULTS) --controller build/release/meshwright --data build/share/istio-data --crds build/crds.json --every $(or $(EVERY),1) --parallel $(or $(PARALLEL),24) $(FAULT:%=--fault %) $(SCENARIO:%=--scenario %)


fuzz: ## Look for inputs that break the readers, and for differences to Go's (FUZZ_SECONDS=60 for each)
	$(Q)hack/fuzz/run $(T)

check: ## Lint, format, layers, banned functions, generated files fresh
	hack/check

e2e: image ## The whole thing on real clusters (builds the lab once)
	hack/lab/build
	e2e/run

##@ Benchmarks
BENCHBIN := $(O)/hack/bench/c/bench
BENCHOBJ := $(patsubst %.c,$(O)/%.o,$(wildcard hack/bench/c/*.c))

bench: image ## Our client against its peers, and docs/performance.md (QUICK=1: a smoke run; MEASURES="sync idle": parts)
	$(Q)hack/lab/build kube-apiserver etcd
	$(Q)hack/bench/run --build $(O) $(MEASURES)

$(BENCHBIN): $(BENCHOBJ) $(LIB)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: bench
-include $(BENCHOBJ:.o=.d)

##@ Lab
lab: ## Bring up two real clusters (c1, c2) on one network
	hack/lab/build
	hack/lab/lab up

lab-down: ## Stop the lab and remove all that it made
	hack/lab/lab down

demo: image ## A topology over real clusters, and requests across (TOPOLOGY=1, 2, 2b, 3, 4, 5 or two-networks; default 2b)
	hack/lab/build
	hack/demo/demo up $(TOPOLOGY)

demo-down: ## Take the demo and its clusters away
	hack/demo/demo down

image: build/meshwright.tar ## Build the image without a container engine: build/meshwright.tar

try: all kubesim istio-data ## A first look in seconds: a mesh over three simulated clusters (no traffic)
	hack/try/try up

try-down: ## Take it away
	hack/try/try down

kubesim: $(O)/kubesim ## Build the simulated API servers: build/release/kubesim

istio-data: build/share/istio-data/$(ISTIO_VERSION)/index.json ## Take the CRDs of Istio, the Gateway API and multi-cluster services out of their Go modules

build/share/istio-data/$(ISTIO_VERSION)/index.json: hack/istio-data
	$(Q)hack/istio-data build/share/istio-data $(ISTIO_VERSION) istio="$$(hack/lab/build istio-src)" \
	  gateway-api="$$(hack/lab/build istio-src sigs.k8s.io/gateway-api)" mcs="$$(hack/lab/build istio-src sigs.k8s.io/mcs-api)"

build/meshwright.tar: build/release/meshwright build/share/istio-data/$(ISTIO_VERSION)/index.json hack/image/build
	$(Q)strip -o build/meshwright.stripped build/release/meshwright
	$(Q)hack/image/build --data build/share $(EVLIB:%=--extra-lib %) --output $@ build/meshwright.stripped

ifneq ($(O),build/release)
build/release/meshwright:
	$(Q)$(MAKE) --no-print-directory SAN= build/release/meshwright
endif

##@ Other
generate: ## Write the generated files anew (types of our CRDs, the chart's copies)
	hack/crdgen

format: ## Format the C sources
	clang-format-14 -i $(wildcard pkg/*/*.[ch] controller/*.[ch] controller/*/*.[ch] test/*/*.[ch] fuzz/*.[ch])

golden: ## Write the golden files anew
	UPDATE_GOLDEN=1 $(MAKE) test

clean: ## Remove what was built here (the lab's cache stays)
	rm -rf build

.PHONY: help deps all test integration fuzz check e2e lab lab-down demo demo-down image istio-data kubesim try try-down faults generate format golden clean
.SECONDARY:
-include $(OBJ:.o=.d) $(SIM:%.c=$(O)/%.d) $(TESTBIN:=.d) $(FUZZBIN:=.d) $(INTBIN:=.d) $(O)/controller/main.d $(O)/hack/kubesim/main.d $(FAULTOBJ:.o=.d)
