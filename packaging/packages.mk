# Packages, tarballs and releases; included by the Makefile. The same commit and
# the same Go give the same bytes.

NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
LINTIAN ?= lintian
# v0.1.0-rc1 sorts before v0.1.0: 0.1.0~rc1 in Debian's order.
DEB_VERSION := $(shell echo '$(VERSION)' | sed 's/^v//; s/-/~/; s/-/./g')-1
# Debian's names, and which build serves each: armhf is ARMv6 so that it runs on
# Raspbian, too.
DEBS := armel:armv5 armhf:armv6 arm64:arm64 amd64:amd64
TARBALLS := armv5 armv6 armv7 arm64 amd64
TAR := tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --format=gnu --mode=u+rw,go=rX
NFPM_RUN := SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DEB_VERSION='$(DEB_VERSION)' $(GO) run $(NFPM) package --packager deb

.PHONY: packages package-files packages-deps packages-check release

package-files: build build-images
	rm -rf dist/package
	$(GO) run ./tools/packagefiles --program $(BIN)/kubeadm-arm --version '$(DEB_VERSION)' --time $(SOURCE_DATE_EPOCH) --out dist/package

packages: cross package-files ## .deb for four CPUs, tarballs and checksums in dist/release
	rm -rf dist/release && mkdir -p dist/release
	$(foreach d,$(DEBS),DEB_ARCH=$(firstword $(subst :, ,$(d))) PROGRAM=dist/kubeadm-arm-linux-$(lastword $(subst :, ,$(d))) \
	  $(NFPM_RUN) --config packaging/nfpm.yaml --target dist/release/ &&) true
	@for cpu in $(TARBALLS); do name=kubeadm-arm-$(VERSION)-linux-$$cpu; \
	  rm -rf dist/tar && mkdir -p dist/tar/$$name/man dist/tar/$$name/completions && \
	  cp dist/kubeadm-arm-linux-$$cpu dist/tar/$$name/kubeadm-arm && cp dist/package/*.1.gz dist/tar/$$name/man && \
	  cp dist/package/kubeadm-arm.bash dist/package/_kubeadm-arm dist/package/kubeadm-arm.fish dist/tar/$$name/completions && \
	  cp dist/package/third-party-notices.gz packaging/*.service packaging/*.timer README.md CHANGELOG.md LICENSE dist/tar/$$name && \
	  $(TAR) -C dist/tar -c $$name | gzip -9n > dist/release/$$name.tar.gz; done
	@for arch in amd64 arm64; do name=kubeadm-arm-images-$(VERSION)-linux-$$arch; mkdir -p dist/tar/$$name && \
	  (cd lab && GOOS=linux GOARCH=$$arch $(BUILD) -o ../dist/tar/$$name/kubeadm-arm-images .) && \
	  cp dist/package/third-party-notices.gz LICENSE dist/tar/$$name && $(TAR) -C dist/tar -c $$name | gzip -9n > dist/release/$$name.tar.gz; done; rm -rf dist/tar
	cd dist/release && sha256sum -- * > SHA256SUMS && cat SHA256SUMS

packages-deps:
	@missing=(); for p in lintian man-db bash-completion qemu-user-static xz-utils; do \
	  [[ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" == installed ]] || missing+=($$p); done; \
	  ((!$${#missing[@]})) || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"; }

packages-check: packages-deps packages ## lintian; each .deb installed, tried and removed (root)
	$(LINTIAN) --allow-root --fail-on error,warning,info --display-info dist/release/*.deb
	packaging/check dist/release

release: ## packages of VERSION=v0.1.0, and its source with all modules
	@[[ '$(VERSION)' =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$$ && '$(origin VERSION)' == 'command line' ]] || { echo 'name the version: make release VERSION=v0.1.0' >&2; exit 1; }
	@[ -z "$$(git status --porcelain)" ] || { echo 'a release is made of a commit: commit or put aside what git status shows' >&2; exit 1; }
	$(MAKE) packages-check VERSION=$(VERSION)
	name=kubeadm-arm-$(VERSION)-source; rm -rf dist/source && mkdir -p dist/source && git archive --prefix=$$name/ HEAD | tar -x -C dist/source && \
	  echo 'VERSION ?= $(VERSION)' > dist/source/$$name/packaging/version.mk && (cd dist/source/$$name && $(GO) mod vendor && cd lab && $(GO) mod vendor) && \
	  $(TAR) -C dist/source -c $$name | gzip -9n > dist/release/$$name.tar.gz && rm -rf dist/source
	cd dist/release && rm SHA256SUMS && sha256sum -- * > SHA256SUMS && cat SHA256SUMS
