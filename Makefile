# benchkeep: build, test, try out. `make help` lists the targets.

SHELL   := bash
GO      ?= go
BIN     := bin
TOOLS   := .cache/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(COMMIT)

# The product and every program the tests need are static: no C compiler.
export CGO_ENABLED := 0

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  %-16s %s\n", $$1, $$2 }'

.PHONY: build
build: ## Build bin/benchkeep
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/benchkeep ./cmd/benchkeep

.PHONY: demo
demo: build $(TOOLS)/prometheus $(TOOLS)/thanos ## Run the whole thing once: agent-mode Prometheus, benchkeep, and a query on the archived blocks
	cd test && $(GO) run ./demo

.PHONY: archive
archive: build $(TOOLS)/prometheus $(TOOLS)/thanos ## Show an archive: two runs, stock Thanos Store and Query over their bucket, three queries to try
	cd test && $(GO) run ./stack

.PHONY: test
test: lint unit e2e ## Everything that has to hold: lint, unit tests, end to end

.PHONY: unit
unit: ## Unit tests
	$(GO) test ./...

.PHONY: race
race: ## Unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: e2e
e2e: build tools ## End to end with real Prometheus, Thanos and S3
	cd test && $(GO) test -count=1 -p=1 -timeout=30m ./...
	cd test/deploy && $(GO) test -count=1 -timeout=10m ./...

SOAK ?= 20
.PHONY: soak
soak: build tools ## The fault and pressure tests at length: SOAK times as much, within an hour
	cd test && SOAK=$(SOAK) $(GO) test -count=1 -timeout=60m ./faults ./pressure
	SOAK=$(SOAK) $(GO) test -count=1 -timeout=60m -run=TestRandomLives ./blockwriter

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, import rules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	cd test && $(GO) vet ./...
	cd test/tools/lint && $(GO) build -o $(CURDIR)/$(TOOLS)/ honnef.co/go/tools/cmd/staticcheck
	$(TOOLS)/staticcheck ./...
	cd test && ../$(TOOLS)/staticcheck ./...
	cd test/deploy && $(GO) vet ./... && ../../$(TOOLS)/staticcheck ./...
	cd test/kubernetes && $(GO) vet ./... && ../../$(TOOLS)/staticcheck ./...
	cd test/browser && $(GO) vet ./... && ../../$(TOOLS)/staticcheck ./...

FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## Fuzz the decoders, FUZZTIME each
	$(GO) test -run='^$$' -fuzz=FuzzDecodeV1 -fuzztime=$(FUZZTIME) ./receiver
	$(GO) test -run='^$$' -fuzz=FuzzDecodeV2 -fuzztime=$(FUZZTIME) ./receiver

.PHONY: doors
doors: build tools ## Hostile input, access, secrets, file modes alone (as root: it mounts)
	cd test && $(GO) test -count=1 -timeout=10m ./doors

BENCH ?= .
COUNT ?= 5
.PHONY: bench
bench: $(TOOLS)/benchstat ## Go benchmarks, COUNT times each, as tables of benchstat; BENCH picks some
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./... | tee $(TOOLS)/bench.txt
	$(TOOLS)/benchstat -col '/receiver,/decoder,/writer' $(TOOLS)/bench.txt

.PHONY: bench-peers
bench-peers: build tools ## benchkeep beside its peers: SERIES, SAMPLES, SENDERS, PROTOCOLS, PEERS, CHURN, HISTOGRAMS=1
	cd test && $(GO) run ./bench $(addprefix -series=,$(SERIES)) $(addprefix -samples=,$(SAMPLES)) $(addprefix -senders=,$(SENDERS)) \
		$(addprefix -protocols=,$(PROTOCOLS)) $(addprefix -peers=,$(PEERS)) $(addprefix -churn=,$(CHURN)) $(addprefix -histograms=,$(HISTOGRAMS))

.PHONY: test-deploy
test-deploy: build tools ## The tests of deploy/, the image and their docs alone
	cd test/deploy && $(GO) test -count=1 -timeout=10m ./...

.PHONY: test-browser
test-browser: ## The pages of compare in a headless Chromium (Debian's chromium-headless-shell or chromium, or google-chrome)
	cd test/browser && $(GO) test -count=1 -timeout=10m ./...

IMAGE ?= ghcr.io/benchkeep/benchkeep
# For another platform than this machine's: make image PLATFORM=linux/arm64
PLATFORM ?=
IMAGE_FLAGS = --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) $(addprefix --platform=,$(PLATFORM)) -t $(IMAGE):$(VERSION)

.PHONY: image
image: ## Build the container image with docker or buildah
	@if docker info >/dev/null 2>&1; then DOCKER_BUILDKIT=1 docker build $(IMAGE_FLAGS) .; \
	elif command -v buildah >/dev/null; then buildah build --layers $(IMAGE_FLAGS) .; \
	elif command -v docker >/dev/null; then echo "no image builder: docker is installed, but no engine answers it ('docker info' says why); start one, or install buildah"; exit 1; \
	else echo "no image builder: install docker or buildah"; exit 1; fi

.PHONY: dist
dist: $(TOOLS)/cyclonedx-gomod ## Static binaries for linux/amd64 and linux/arm64 in dist/, with SBOMs and checksums
	rm -rf dist && mkdir dist
	set -e; for arch in amd64 arm64; do \
		program=dist/benchkeep-linux-$$arch; \
		GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $$program ./cmd/benchkeep; \
		$(TOOLS)/cyclonedx-gomod bin -json -noserial -notimestamp -std -version $(VERSION) -output $$program.cdx.json $$program; \
	done
	cd dist && sha256sum benchkeep-* >SHA256SUMS

# The programs of the tests, each pinned in a module of its own because they
# need different versions of the same libraries.
.PHONY: tools
tools: $(TOOLS)/prometheus $(TOOLS)/promtool $(TOOLS)/versitygw $(TOOLS)/thanos $(TOOLS)/cyclonedx-gomod $(TOOLS)/jq ## Build Prometheus, Thanos and an S3 server for the tests, once

# Cloud service discoveries are left out: the tests scrape fixed targets.
$(TOOLS)/prometheus: test/tools/prometheus/go.mod
	cd test/tools/prometheus && $(GO) build -tags remove_all_sd -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/prometheus

$(TOOLS)/promtool: test/tools/prometheus/go.mod
	cd test/tools/prometheus && $(GO) build -tags remove_all_sd -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/promtool

$(TOOLS)/versitygw: test/tools/versitygw/go.mod
	cd test/tools/versitygw && $(GO) build -o $(CURDIR)/$@ github.com/versity/versitygw/cmd/versitygw

$(TOOLS)/benchstat: test/tools/lint/go.mod
	cd test/tools/lint && $(GO) build -o $(CURDIR)/$@ golang.org/x/perf/cmd/benchstat

$(TOOLS)/cyclonedx-gomod: test/tools/sbom/go.mod
	cd test/tools/sbom && $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/$@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

# In Go: it takes no C compiler.
$(TOOLS)/jq: test/tools/jq/go.mod
	cd test/tools/jq && $(GO) build -o $(CURDIR)/$@ github.com/itchyny/gojq/cmd/gojq

# Thanos panics on its first read without this tag.
$(TOOLS)/thanos: test/tools/thanos/go.mod
	cd test/tools/thanos && $(GO) build -tags slicelabels -o $(CURDIR)/$@ github.com/thanos-io/thanos/cmd/thanos

# A real Kubernetes for the tests of deploy/kubernetes, and what runs in it.
KUBERNETES := $(addprefix $(TOOLS)/,kubelet kube-apiserver kube-controller-manager kube-scheduler)
OPERATOR   := $(TOOLS)/prometheus-operator $(TOOLS)/prometheus-config-reloader
DEBIAN     := .cache/debian

.PHONY: test-kubernetes
test-kubernetes: root build $(KUBERNETES) $(TOOLS)/etcd $(OPERATOR) $(TOOLS)/prometheus-kubernetes $(TOOLS)/versitygw $(DEBIAN)/unpacked ## The pods of deploy/kubernetes in a real cluster of one node (as root, with apt-get)
	cd test/kubernetes && $(GO) test -count=1 -parallel=10 -timeout=15m ./...

.PHONY: root
root:
	@[ $$(id -u) = 0 ] || { echo "a kubelet and its containers take root's rights: run this as root"; exit 1; }
	@command -v apt-get dpkg >/dev/null || { echo "containerd, runc and CNI plug-ins come from Debian's packages: this needs apt-get and dpkg"; exit 1; }

$(KUBERNETES): test/tools/kubernetes/go.mod
	cd test/tools/kubernetes && version=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubernetes) && \
		$(GO) build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" -o $(CURDIR)/$@ k8s.io/kubernetes/cmd/$(@F)

$(TOOLS)/etcd: test/tools/kubernetes/go.mod
	cd test/tools/kubernetes && $(GO) build -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3

$(TOOLS)/prometheus-operator: test/tools/prometheus-operator/go.mod
	cd test/tools/prometheus-operator && $(GO) build -o $(CURDIR)/$@ github.com/prometheus-operator/prometheus-operator/cmd/operator

$(TOOLS)/prometheus-config-reloader: test/tools/prometheus-operator/go.mod
	cd test/tools/prometheus-operator && $(GO) build -o $(CURDIR)/$@ github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader

# This one finds pods.
$(TOOLS)/prometheus-kubernetes: test/tools/prometheus/go.mod
	cd test/tools/prometheus && $(GO) build -tags remove_all_sd,enable_kubernetes_sd -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/prometheus

# Unpacked, not installed: no service starts, nothing outside of the cache changes.
$(DEBIAN)/unpacked:
	rm -rf $(DEBIAN) && mkdir -p $(DEBIAN)/packages
	apt-get update -q
	cd $(DEBIAN)/packages && apt-get download -o APT::Sandbox::User=root containerd runc containernetworking-plugins
	for package in $(DEBIAN)/packages/*.deb; do dpkg -x $$package $(DEBIAN) || exit; done
	touch $@

.PHONY: clean
clean: ## Remove what was built; the tools' cache too
	rm -rf $(BIN) .cache dist
