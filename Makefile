# Small targets, each of which can be run by itself; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BIN := bin
# A release's sources know their version. Elsewhere a commit without a tag is v0.0.0-DATE-COMMIT.
-include packaging/version.mk
VERSION ?= $(shell git describe --tags --match 'v*' --exact-match 2>/dev/null || git log -1 --abbrev=12 --date=format:%Y%m%d --format=v0.0.0-%cd-%h 2>/dev/null || echo v0.0.0)
# Asked once, so that one run has one version whatever is committed meanwhile.
VERSION := $(VERSION)
RELEASE ?= $(VERSION)
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)
SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
LDFLAGS := -s -w $(if $(RELEASE),-X main.release=$(RELEASE))
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='$(LDFLAGS)'
KUBERNETES ?= v1.37.2
# The speed of boards with counted time; see lab up --help.
SPEED ?= bananapi

.DEFAULT_GOAL := help
.PHONY: help build cross lab deps demo demo-fast bench-init versions trees boards boards-quick walk walk-quick test test-all lint unit board fuzz fuzz-quick security vuln reports calibrate fit screenshots manifests openssl versions-table clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

build: ## build kubeadm-arm for this machine into bin/
	$(BUILD) -o $(BIN)/kubeadm-arm ./cmd/kubeadm-arm

build-images: ## build kubeadm-arm-images into bin/: Kubernetes for boards
	cd lab && $(BUILD) -o ../$(BIN)/kubeadm-arm-images .

cross: ## static binaries for ARMv5, ARMv6, ARMv7, arm64 and amd64, with sizes
	GOOS=linux GOARCH=arm GOARM=5 $(BUILD) -o dist/kubeadm-arm-linux-armv5 ./cmd/kubeadm-arm
	GOOS=linux GOARCH=arm GOARM=6 $(BUILD) -o dist/kubeadm-arm-linux-armv6 ./cmd/kubeadm-arm
	GOOS=linux GOARCH=arm GOARM=7 $(BUILD) -o dist/kubeadm-arm-linux-armv7 ./cmd/kubeadm-arm
	GOOS=linux GOARCH=arm64 $(BUILD) -o dist/kubeadm-arm-linux-arm64 ./cmd/kubeadm-arm
	GOOS=linux GOARCH=amd64 $(BUILD) -o dist/kubeadm-arm-linux-amd64 ./cmd/kubeadm-arm
	@for f in dist/kubeadm-arm-linux-*; do size=$$(stat -c %s $$f); \
	  printf '%-34s %5.1f MB\n' $$f $$(awk "BEGIN{print $$size/1e6}"); \
	  [ $$size -lt 25000000 ] || { echo "$$f is over 25 MB" >&2; exit 1; }; done

BUILD_LAB = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false
lab: ## the programs of lab (boards to try it on) into bin/
	cd lab && $(BUILD_LAB) -o ../$(BIN)/lab . && $(BUILD_LAB) -o ../$(BIN)/storage-board ./storage && \
	  $(BUILD_LAB) -o ../$(BIN)/ ./demo ./boards ./calibrate ./walk ./drawer ./join ./upgrade

deps: lab ## install the Debian packages that boards need
	$(BIN)/lab deps

.PHONY: deps-counted
deps-counted: deps
	$(BIN)/lab deps --emulated

# A command of demo on the boards that it names, with another list of versions in its second argument.
DEMO = $(BIN)/demo $(1) --lab $(BIN)/lab --kubernetes $(or $(2),$(KUBERNETES))
WITH_ARM = --kubeadm-arm $(BIN)/kubeadm-arm
# Boards whose clock counts instructions, two at a time on two cores: a busy machine makes a run longer, and no board slower.
COUNTED = $(DEMO) $(WITH_ARM) --board amd64 --side-by-side

demo: build lab deps-counted ## kubeadm fails on a slow board, kubeadm-arm works (4 min)
	$(call COUNTED,compare) --speed $(SPEED)

demo-fast: build lab deps-counted ## the same on a board four times as fast, where both work
	$(call COUNTED,compare) --speed bananapi*4 --expect-stock-works --expect-ratio 1.2

# As many boards at once as two cores can give their shares to.
BENCH_INIT_SPEEDS = x4 x2 x1 d4 d16
.PHONY: $(BENCH_INIT_SPEEDS:%=bench-init-%) bench-init-idle bench-init-document
bench-init: $(BENCH_INIT_SPEEDS:%=bench-init-%) bench-init-idle bench-init-document ## four ways to init on five speeds, and idle load; writes results (2 h)

# x4 is --speed bananapi*4, d4 --speed bananapi/4.
$(BENCH_INIT_SPEEDS:%=bench-init-%): bench-init-%: build lab deps-counted
	$(call COUNTED,compare) --tools stock,recipe,expert,kubeadm-arm --detail --limit 2h --rounds 3 \
	  --speed $(subst x,bananapi*,$(subst d,bananapi/,$*)) --json $(BIN)/bench-init-$*.json

bench-init-idle: build lab deps-counted
	$(call COUNTED,idle) --detail --limit 2h --tools stock,kubeadm-arm,kubeadm-arm:frugal,kubeadm-arm:responsive \
	  --document docs/results/bench-init-idle.md

# What earlier calls have kept, one document of all.
DOCUMENT = $(BIN)/demo document $$(for f in $(1); do [ ! -e $$f ] || echo $$f; done) --document docs/results/$(2).md

bench-init-document:
	$(call DOCUMENT,$(BENCH_INIT_SPEEDS:%=$(BIN)/bench-init-%.json),bench-init)

VERSIONS ?= v1.13.1,v1.31.4,v1.34.4,v1.37.2
versions: build lab deps ## several Kubernetes versions on slow boards; writes results (30 min)
	$(call DEMO,compare,$(VERSIONS)) $(WITH_ARM) --cpu 5% --pace --side-by-side --detail --document docs/results/versions.md

# Twelve seconds a run at full speed, staged as on the slow board whose benchmark is given.
WALK = CGO_ENABLED=0 $(GO) build -tags killpoints -trimpath -buildvcs=false -ldflags='$(LDFLAGS)' -o $(BIN)/killpoints/kubeadm-arm ./cmd/kubeadm-arm && \
  $(BIN)/walk --lab $(BIN)/lab --kubeadm-arm $(BIN)/killpoints/kubeadm-arm --kubernetes $(KUBERNETES) --bench testdata/calibration/cpu-005-1core.json

walk: lab deps ## init killed at 92 points, 10 power cuts, each resumed (40 min)
	$(WALK) --moments 30 --power 10 --json docs/results/walk.json

# Each trial begins with a cluster, a minute of init. From a version that lab builds.
upgrade-walk: lab deps ## an upgrade killed at each boundary, power cut in each step, resumed or taken back; writes results (5 h)
	$(WALK) --from $(UPGRADE_FROM) --moments 10 --power 100 --document docs/results/upgrade-walk.md

walk-quick: lab deps ## the same, six trials (3 min)
	$(WALK) --every 20 --moments 2 --power 1

.PHONY: variations
variations: ## doctor's fixes on every form of the files that they change
	VARIATIONS=all $(GO) test ./cmd/kubeadm-arm -run Variations -v -timeout $(PATIENCE)

.PHONY: drawer drawer-systemd
drawer-systemd: build lab ## the units under a real systemd, clock right and wrong (root, 1 min); writes results
	for clock in '' wrong-clock; do echo "== $${clock:-right clock}"; lab/drawer/systemd.sh $$(ls -d $${KUBEADM_ARM_CACHE:-$$HOME/.cache/kubeadm-arm}/emulated/debian-amd64-* | tail -1) \
	  $$($(BIN)/lab build --kubernetes $(KUBERNETES) --only kubeadm) $(BIN)/kubeadm-arm $(BIN)/drawer packaging $$clock; done | tee $(BIN)/drawer-systemd.log
	$(BIN)/drawer --record systemd --results docs/results/drawer.md <$(BIN)/drawer-systemd.log

# ONLY=stock, and so on, runs one part.
drawer: build lab deps-counted ## boards off for 400 days and at 1970, by kubeadm and kubeadm-arm; writes results (30 min)
	$(BIN)/drawer --lab $(BIN)/lab --kubeadm-arm $(BIN)/kubeadm-arm --kubernetes $(KUBERNETES) $(if $(ONLY),--only $(ONLY)) --results docs/results/drawer.md

# All boards are in one emulated board four times as fast as a Banana Pi, so that they have one clock, which counts
# instructions; after init, the first is as fast as one, and a worker half as fast. TOOLS=stock, and so on, runs one
# tool alone. What earlier calls have kept stays in the document.
.PHONY: join ha
JOIN = $(BIN)/join --lab $(BIN)/lab --kubeadm-arm $(BIN)/kubeadm-arm --kubernetes $(KUBERNETES) $(if $(TOOLS),--tools $(TOOLS)) \
  --inside 'bananapi*4' --init max --json $(BIN)/join.json --document docs/results/join.md
join: build lab deps-counted ## a worker joins a slow board, three times by kubeadm and kubeadm-arm (2 h); writes results
	$(JOIN) --first 25% --others 12%

ha: build lab deps-counted ## two more control planes join a slow one (2 h); writes results
	$(JOIN) --ha --rounds 1 --first 32% --others 32%

# Both on equal boards, each with the same share of a core.
.PHONY: upgrade upgrade-walk
UPGRADE_FROM ?= v1.36.3
UPGRADE_CPU ?= 5%
upgrade: build lab deps ## kubeadm's and kubeadm-arm's upgrade on equal slow boards; writes results (1 h)
	$(BIN)/upgrade --lab $(BIN)/lab --kubeadm-arm $(BIN)/kubeadm-arm --from $(UPGRADE_FROM) --to $(KUBERNETES) --cpu '$(UPGRADE_CPU)' \
	  --bench testdata/calibration/cpu-005-1core.json --results docs/results/upgrade.md

.PHONY: storage-board raid-board storage-walk
STORAGE_BOARD = $(BIN)/storage-board --lab $(BIN)/lab --kubernetes $(KUBERNETES)

storage-board: build lab deps ## storage on a throttled board, with and without the disk (5 min)
	$(STORAGE_BOARD) --kubeadm-arm $(BIN)/kubeadm-arm $(if $(RESULTS),--results $(RESULTS))

raid-board: cross lab ## storage on an emulated board with a RAID 5; writes results (30 min)
	$(BIN)/lab deps --emulated
	mkdir -p $(BIN)/armv7 && cp dist/kubeadm-arm-linux-armv7 $(BIN)/armv7/kubeadm-arm
	$(STORAGE_BOARD) --raid --name raid --kubeadm-arm $(BIN)/armv7/kubeadm-arm --results docs/results/raid-board.md

storage-walk: ## storage killed at every change (root, 20 min); writes results
	mkdir -p $(BIN)
	STORAGE_WALK=all $(GO) test ./storage -run "TestWalk|TestModel" -v -timeout 3h | tee $(BIN)/storage-walk.log
	{ printf '# storage-walk: SIGKILL at every change of storage apply and undo, %s\n\n    make storage-walk\n\nkubeadm-arm %s, %s, Linux %s.\n\n' "$$(date -u +%F)" $(VERSION) \
	  "$$($(GO) env GOVERSION)" "$$(uname -r)"; \
	  sed -n 's/^ *[a-z]*_test.go:[0-9]*: result: \(.*\)/- \1/p' $(BIN)/storage-walk.log; } >docs/results/storage-walk.md

trees: build ## doctor on whole trees of Debian 12 and 13 (10 min)
	mkdir -p $(BIN)/trees && lab/trees.sh $(BIN)/kubeadm-arm $(BIN)/trees docs/results/doctor-trees.md

boards: cross lab ## detect and doctor on every emulated board; writes results
	$(BIN)/lab deps --emulator
	$(BIN)/boards --lab $(BIN)/lab --dist dist --kubernetes $(KUBERNETES) --results docs/results/boards.md

.PHONY: doctor-board
doctor-board: cross lab ## doctor on emulated boards as owners set them up (1 h); writes results
	$(BIN)/lab deps --emulated
	mkdir -p $(BIN)/$(BOARD) && cp dist/kubeadm-arm-linux-$(if $(filter amd64,$(BOARD)),amd64,$(if $(filter rk3328,$(BOARD)),arm64,armv7)) $(BIN)/$(BOARD)/kubeadm-arm
	lab/doctor-board.sh $(BIN)/$(BOARD)/kubeadm-arm $(BIN)/lab $(BOARD) docs/results/doctor-$(BOARD).md

boards-quick: cross lab ## the same on a Raspberry Pi Model B and an ARMv7 board
	$(BIN)/lab deps --emulator
	$(BIN)/boards --lab $(BIN)/lab --dist dist --kubernetes $(KUBERNETES) --quick

conformance: build lab deps ## a cluster of each profile shows that it works (3 min); writes results
	$(call DEMO,conformance) $(WITH_ARM) --cpu 60% --limit 5m --tools kubeadm-arm,kubeadm-arm:frugal --document docs/results/conformance.md

# Emulated boards with kubeadm-arm from its Debian package: the command of demo, the kind of board, Debian's name for its
# CPU, and what else demo is to do. Each writes docs/results/TARGET.md.
EMULATED_bananapi       = compare bananapi armhf --tools stock,recipe,kubeadm-arm --reboot
EMULATED_bananapi-idle  = idle bananapi armhf --tools recipe,kubeadm-arm
EMULATED_cubieboard     = idle cubieboard armhf --tools stock,recipe,kubeadm-arm --limit 15m --reboot
EMULATED_rk3328         = idle rk3328 arm64 $(RK3328) --tools stock,kubeadm-arm --settle 30s --for 1m --expect-stock-works --expect-ratio 1
EMULATED_rk3328-article = compare rk3328 arm64 $(RK3328) --tools article --reboot
EMULATED_raspberrypi1   = idle raspberrypi1 armel --bin dist/armv7/kubeadm-v7 --tools armv7,stock,kubeadm-arm --expect-illegal --limit 40m
EMULATED_power-cut      = power-cut bananapi armhf
EMULATED_bundle-board   = compare bananapi armhf --bundle dist/bundle --tools kubeadm-arm
# A core of the real board is twice a Banana Pi's (7-zip, sbc-bench), whose cores QEMU's are about as fast as, and two cores here carry four.
RK3328_DILATION ?= 4
RK3328 = --time-dilation $(RK3328_DILATION)

EMULATED = bananapi bananapi-idle cubieboard rk3328 rk3328-article raspberrypi1 power-cut bundle-board
.PHONY: $(EMULATED) kubeadm-v7 bundle
$(EMULATED): packages lab
	$(BIN)/lab deps --emulated
	$(call DEMO,$(word 1,$(EMULATED_$@))) --board $(word 2,$(EMULATED_$@)) \
	  --deb dist/release/kubeadm-arm_$(DEB_VERSION)_$(word 3,$(EMULATED_$@)).deb \
	  $(wordlist 4,99,$(EMULATED_$@)) --document docs/results/$@.md

bananapi: ## three ways on an emulated Banana Pi, power cut (15 min); writes results
bananapi-idle: ## idle load there, recipe and kubeadm-arm (15 min); writes results
cubieboard: ## both on one emulated core, the hardest (1 h); writes results
rk3328: rk3328-article ## four emulated 64-bit cores; pods on the only board; writes results
raspberrypi1: kubeadm-v7 ## an emulated Raspberry Pi 1 (ARMv6, 512 MiB); writes results
power-cut: ## power cut in the middle of init on an emulated board; writes results
bundle-board: bundle ## a board from the bundle of images build; writes results

kubeadm-v7: lab
	install -D $$($(BIN)/lab build --kubernetes $(KUBERNETES) --arch arm --goarm 7 --only kubeadm) dist/armv7/kubeadm-v7

bundle: build-images
	rm -rf dist/bundle && $(BIN)/kubeadm-arm-images build --kubernetes $(KUBERNETES) --cpu armv7 --out dist/bundle

# Boards whose times are compared bear no second run beside them. flock closes its file, so that nothing which a killed run leaves goes on holding it.
TESTLOCK ?= /tmp/kubeadm-arm-test.lock
test: ## everything that continuous integration runs; one run at a time
	@touch $(TESTLOCK); flock --nonblock $(TESTLOCK) true || echo "another make test runs on this machine; waiting until it has ended"
	@exec flock --close $(TESTLOCK) $(MAKE) --no-print-directory test-all

test-all: lint unit fuzz-quick cross board storage-board boards-quick packages-check

lint: ## gofmt, go vet, staticcheck, sizes of functions, lines and packages
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt: $$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	cd lab && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...
	cd tools/manifests && $(GO) vet ./...
	$(GO) run ./tools/sizes .

# A test that hangs is ended after this time; no busy machine takes so long. What the tests of lab need is built first.
PATIENCE ?= 75m
# Tests that take one way through the program hundreds of times: bad inputs, forms of a file, kills and failing disks
# at every change, the states of storage. The race detector makes them three to ten times as slow, and sees that way in the
# other tests. Their boards lie in memory: each change of a file waits for the disk.
EXHAUSTIVE = ^TestBadInput$$|^TestField$$|Variations$$|^TestKilled|Anywhere|^TestDisk(IsFull|Fails)|^TestWalk(Apply|Undo|Damaged)$$|^TestModel
unit: lab deps ## unit, golden and script tests with the race detector, as root
	@[ "$$(id -u)" = 0 ] || { echo "run this as root: go test ./... alone skips the tests that need it" >&2; exit 1; }
	$(GO) test -race -timeout $(PATIENCE) -skip '$(EXHAUSTIVE)' ./...
	TMPDIR=/dev/shm GOTMPDIR=/tmp $(GO) test -timeout $(PATIENCE) -run '$(EXHAUSTIVE)' ./bootstrap ./certs ./cmd/kubeadm-arm ./plan ./storage
	$(BIN)/lab build --kubernetes $(KUBERNETES)
	cd lab && $(GO) test -race -timeout $(PATIENCE) -short ./...

# What decides runs on boards with counted time; that which is interrupted has a core beside the walk, which shows
# that killed runs are resumed and not how long that takes.
board: build lab deps-counted ## real Kubernetes on slow and fast boards, interrupted, killed, resumed
	$(call COUNTED,compare) --speed $(SPEED) --expect-stock-fails
	$(call COUNTED,interrupt) --speed $(SPEED) & interrupted=$$!; code=0; \
	  { $(MAKE) --no-print-directory walk-quick && $(call COUNTED,compare) --speed bananapi*4 --tools kubeadm-arm; } || code=$$?; \
	  wait $$interrupted || code=$$?; exit $$code

# Where the board is stalled: what kubeadm-arm prints when a step begins, and what stock kubeadm prints.
STALL_AT = kubeadm's phases up to the manifests|[certs],wait for etcd|[kubelet-start] Starting,wait for kube-apiserver|[kubelet-check],kubeadm's remaining phases|[control-plane-check],wait for kube-scheduler|[bootstrap-token],wait for kube-controller-manager|[addons],node is Ready
# 1m@10: slowed to 10 % for a minute. No % here, which would make patterns of the targets.
STALLS ?= 5s 15s 30s 60s 1m@10 5m@10
.PHONY: stall stall-document $(STALLS:%=stall-%)
stall: $(STALLS:%=stall-%) stall-document ## boards stopped or slowed at each step of init (2 h); writes results

$(STALLS:%=stall-%): stall-%: build lab deps-counted
	-$(call COUNTED,stall) --speed bananapi*4 --limit 2h --for $* --at "$(STALL_AT)" --json $(BIN)/stall-$*-x4.json
	-$(call COUNTED,stall) --speed bananapi --tools kubeadm-arm --limit 2h --for $* --at "$(STALL_AT)" --json $(BIN)/stall-$*-x1.json

# Fails when anything that kubeadm-arm starts was started again.
stall-document:
	$(call DOCUMENT,$(STALLS:%=$(BIN)/stall-%-x4.json) $(STALLS:%=$(BIN)/stall-%-x1.json),stall)

FUZZTIME ?= 10s
# Workers of each target: the cores, shared out.
FUZZWORKERS ?= $(shell n=$$(($$(nproc) / $(FUZZJOBS))); echo $$((n > 0 ? n : 1)))
FUZZJOBS ?= 1
# Unless told otherwise, each interesting input is made smaller for a minute, and nothing new is tried meanwhile.
fuzz: ## every fuzz target for FUZZTIME (default 10s), FUZZJOBS at a time
	@for module in . lab; do for pkg in $$(cd $$module && $(GO) list ./...); do \
	  for f in $$(cd $$module && $(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do echo $$module $$pkg $$f; done; done; done | \
	  xargs -P $(FUZZJOBS) -n 3 sh -c 'cd "$$0"; out=$$($(GO) test -run "^$$" -fuzz "^$$2$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel $(FUZZWORKERS) "$$1" 2>&1); code=$$?; \
	    echo "fuzz $$1 $$2"; echo "$$out"; exit $$code'

# A count of inputs, not a time: go test -fuzz ends now and then with "context deadline exceeded" when its time is up.
fuzz-quick: ## the same, a thousand inputs each
	@$(MAKE) --no-print-directory fuzz FUZZTIME=1000x

security: vuln ## known vulnerabilities, and gosec; fails on what docs/*.txt do not accept with a reason
	@GO=$(GO) .ci/security

vuln: ## known vulnerabilities in code that is called (VULNDB: a local copy)
	@GO=$(GO) VULNDB=$(VULNDB) .ci/vuln

reports: cross lab ## a report of every board: testdata/reports, docs/boards (10 min)
	$(BIN)/lab deps --emulator
	$(GO) build -o $(BIN)/reports ./tools/reports && $(BIN)/reports --lab $(BIN)/lab --dist dist

calibrate: build lab deps-counted ## measure bootstraps on 15 boards, fit plan's model (1 h)
	$(BIN)/calibrate --lab $(BIN)/lab --kubeadm-arm $(BIN)/kubeadm-arm --kubernetes $(KUBERNETES)
	$(MAKE) fit

fit: ## fit plan's model to testdata/calibration; writes golden files, too
	$(GO) run ./tools/fit
	$(GO) test ./plan -update
	$(GO) test ./patch -update

# kubeadm's closing words, with the token, go to a file.
.PHONY: init-svg
INIT = kubeadm-arm init --config /etc/kubeadm-lab.yaml
init-svg: build lab deps ## docs/init.svg: an init recorded on a throttled board (two minutes)
	$(BIN)/lab up --name init-svg --cpu 15% --kubernetes $(KUBERNETES) --bin $(BIN)/kubeadm-arm
	trap '$(BIN)/lab down --name init-svg' EXIT; script --quiet --return --log-out $(BIN)/init.out --log-timing $(BIN)/init.timing \
	  --command "stty cols 80; $(BIN)/lab run --name init-svg --env TERM=xterm -- sh -c '$(INIT) >/root/join.txt'"
	$(GO) run ./tools/termsvg -prompt '$(INIT) >join.txt' $(BIN)/init.out $(BIN)/init.timing >docs/init.svg

# A browser's own rules for phones, dark rooms and paper, on the example report.
CHROMIUM ?= chromium
SHOT = $(CHROMIUM) --headless=new --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars --user-data-dir=$$(mktemp -d)
# As wide as code hosts show a README.
README_STYLE = <meta charset="utf-8"><base href="file://$(CURDIR)/"><style>body{font:16px/1.5 sans-serif;max-width:1012px;margin:32px auto}img{max-width:100%}pre,code{background:\#f6f8fa}pre{padding:16px}td,th{border:1px solid \#ccc;padding:6px 13px}table{border-collapse:collapse}</style>
screenshots: ## README and example report in chromium, as pictures in bin/screenshots (Debian: chromium, cmark-gfm)
	mkdir -p $(BIN)/screenshots
	{ echo '<!doctype html>$(README_STYLE)'; cmark-gfm --unsafe --extension table README.md; } >$(BIN)/screenshots/readme.html
	$(SHOT) --window-size=1200,1000 --screenshot=$(BIN)/screenshots/readme.png file://$(CURDIR)/$(BIN)/screenshots/readme.html
	for page in example compare; do url=file://$(CURDIR)/report/testdata/$$page.html; out=$(BIN)/screenshots/$$page; \
	  $(SHOT) --window-size=390,5600 --screenshot=$$out-phone.png $$url; \
	  $(SHOT) --window-size=1200,4200 --screenshot=$$out-desktop.png $$url; \
	  $(SHOT) --window-size=1200,4200 --blink-settings=preferredColorScheme=0 --screenshot=$$out-dark.png $$url; \
	  $(SHOT) --print-to-pdf=$$out-paper.pdf --no-pdf-header-footer $$url; done

manifests: ## the real kubeadms of all versions write testdata/manifests (1 h)
	cd tools/manifests && $(GO) run .

openssl: ## the benchmark's cryptography beside openssl speed
	$(GO) run ./tools/benchcheck openssl -rounds 5

versions-table: ## write docs/versions.md from the version table
	$(GO) test ./kubeadm -run TestVersionsDocument -update

include packaging/packages.mk

clean: ## remove what was built here; the cache of Kubernetes builds stays
	rm -rf $(BIN) dist
