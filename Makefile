# Targets are listed by `make help`: the text after ## is theirs.
# Only Go is needed (and a shell); a C compiler only for `make race`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
FUZZTIME ?= 200000x
EACH := scripts/each

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile every package of every module
	$(EACH) go build ./...

.PHONY: test
test: ## run every test of every module (under 8 minutes on 2 cores)
	$(EACH) go test -timeout 5m ./...

.PHONY: quick
quick: ## run the runtime module's tests only (under 40 s): the inner loop
	go test -short ./...

.PHONY: race
race: ## the same under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(EACH) go test -race -timeout 10m ./...

.PHONY: invariants
invariants: ## the same with lent buffers overwritten when given back
	$(EACH) go test -tags invariants -timeout 5m ./...

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	scripts/lint

.PHONY: lintcommits
lintcommits: ## subjects of the commits since the rule began: at most 72 characters
	scripts/lintcommits

.PHONY: fuzz-short
fuzz-short: ## every fuzz target with FUZZTIME (200000x) inputs
	FUZZTIME=$(FUZZTIME) scripts/fuzz-short

.PHONY: cross
cross: ## build and vet the runtime (and commands) for other systems: linux, darwin, windows, bsd, plan9, wasm, 386
	scripts/cross

# Rebuilt when the pinned version changes.
bin/staticcheck: tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@touch bin/staticcheck

.PHONY: install-check
install-check: ## install the command and get each module from outside, through a module proxy made of these files
	scripts/install-check

.PHONY: conformance
conformance: ## connectrpc conformance, h2spec and grpc-go interop, both directions
	scripts/conformance

.PHONY: hostile
hostile: ## hostile peers for seconds each, with bounds on others' latency and on garbage (8 minutes)
	cd test && go test -count=1 -timeout 20m -v ./hostile -run TestHostile -args -attack 4s -latency

.PHONY: beside
beside: ## what an honest client gets while others attack or are slow, of naru and of grpc-go (6 minutes); needs the machine
	cd test && go test -count=1 -timeout 20m -v ./hostile -run TestBeside -args -beside 2s
	cd test && go test -count=1 -timeout 20m -v ./slow -args -beside 2s

.PHONY: sim
sim: ## three thousand simulated lives of client, servers and network (2 minutes)
	cd test && go test -count=1 -timeout 20m -v ./sim -args -seeds 3000

.PHONY: matrix
matrix: ## every kind of call, stack and transport: sizes around each limit, ends at each stage (20 seconds)
	cd test && go test -count=1 -timeout 10m -v ./matrix

CHAOS ?= 1m
.PHONY: chaos
chaos: ## calls with everything that may happen to them for CHAOS (1m), outcomes computed from what was done
	cd test && go test -count=1 -timeout 24h -v ./chaos -args -chaos $(CHAOS)

.PHONY: peers
peers: ## Node, Python, C++, nginx, HAProxy, nghttpx, curl (8 minutes); PEERS_OPTIONAL=1 leaves out what is missing
	scripts/conformance -suites python,node,connect,cpp,proxies,sizes,rich

.PHONY: browser
browser: ## pages in Chromium that call a server with connect-web and grpc-web (1 minute); needs chromium, node and npm
	scripts/conformance -suites browser

SOAK ?= 5m
.PHONY: soak
soak: ## calls, faults and churn for SOAK (5m); nothing may grow
	cd test && go run ./cmd/soak -for $(SOAK)

.PHONY: ci
ci: ## what continuous integration runs
	.ci/run

.PHONY: generate
generate: ## write all generated code again
	scripts/generate

.PHONY: checkgenerate
checkgenerate: ## fail if generated code is not what its sources give
	scripts/generate --check

.PHONY: plugins
plugins: ## protoc-gen-naru under protoc (which has to be installed) and buf (built once)
	scripts/plugins

TREES ?= trees
.PHONY: trees
trees: ## naru gen at the root of public repositories, beside protoc and protoc-gen-go; clones them into TREES (trees)
	scripts/trees --clone $(TREES)

.PHONY: bench
bench: ## compare with other stacks (half an hour); writes docs/performance.md and README.md
	cd test && go run ./bench --write ../docs/performance.md --readme ../README.md && \
	go run ./bench --growth --write ../docs/performance.md

.PHONY: bench-quick
bench-quick: ## the main rows of it, one short round (under 3 minutes); prints only
	cd test && go run ./bench --quick
