# Two commands matter: `make run` shows the main job, `make test` checks everything.

BIN := bin/originward
RELEASE := dist/originward
PROFILE := cmd/originward/edge.pgo
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Without symbol tables: the program is sent to hosts over ssh.
GOFLAGS_BUILD := -trimpath -ldflags="-s -w"

.PHONY: run test build deps deps-run vet lint unit cross golden fuzz bench bench-edge release profile clean test-contract test-clients

run: deps-run build
	@$(BIN) demo

test: deps lint cross unit test-contract

build:
	@CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o $(BIN) ./cmd/originward

# Installs what tests need; quiet and quick when nothing is missing.
deps:
	@scripts/deps test

deps-run:
	@scripts/deps run

vet:
	go vet ./...

lint: vet
	@test -z "$$(gofmt -l .)" || { echo "gofmt: run gofmt -w on:"; gofmt -l .; exit 1; }
	go run $(STATICCHECK) ./...

# Everything that is not bound to a Linux host builds on the systems people sit at.
cross:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/originward
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build -o /dev/null ./cmd/originward
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/originward

unit: build
	go test -race -timeout 15m ./...
	go test -run TestFlatMemory ./internal/edge

# The official SDK of Cloudflare's API against a running edge; a module of its own.
test-contract: build
	cd test/contract && go vet ./... && ORIGINWARD=$(CURDIR)/$(BIN) go test -count=1 ./...

# Real clients against a running edge: lego with pebble, external-dns. Builds them
# first, which takes minutes once.
test-clients: build
	@ORIGINWARD=$(CURDIR)/$(BIN) test/clients/run

# Writes the golden bundles anew from the lab's worlds; review the diff.
golden: build
	$(BIN) lab golden --dir internal/lab/testdata/golden

fuzz:
	@scripts/fuzz 30s

bench:
	go test -run '^$$' -bench . -benchmem ./...

# The program as it is given away: compiled for where the edge's time goes, which takes
# minutes. `make profile` measures that anew.
release:
	@CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -pgo=$(PROFILE) -o $(RELEASE) ./cmd/originward

profile: build
	@scripts/deps bench
	@go run ./bench/edge -edge $(BIN) -peers edge -rounds 1 -force -profile $(PROFILE)

# The edge beside nginx, HAProxy and Caddy, pinned to one core each; needs root and a quiet machine.
# Options: make bench-edge BENCH="-force -rounds 1 -case TLS"
bench-edge: release
	@scripts/deps bench
	@go run ./bench/edge -edge $(RELEASE) $(BENCH)

clean:
	rm -rf bin dist
