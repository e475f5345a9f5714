package kube

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
	"github.com/kubeadm-arm/kubeadm-arm/lab/tarfile"
)

// A bundle is what an owner copies to a board: programs, images, and what they
// are.
type Bundle struct {
	Target  Target
	Out     string
	Sysroot string // a Debian's root folder to take iptables from; empty: apt
	Sources string // sources.list(5) for apt, empty for this machine's
	Bare    bool   // no iptables at all
}

// built is manifest.json: what is in a bundle.
type built struct {
	Kubernetes string `json:"kubernetes"`
	// CPU is armv6, armv7, arm64 or amd64.
	CPU      string         `json:"cpu"`
	Programs []builtProgram `json:"programs"`
	// Images are references as kubeadm asks for them.
	Images []string `json:"images"`
	// Debian are the packages that kube-proxy's image has programs and libraries
	// from, as name=version.
	Debian []string `json:"debian,omitempty"`
}

// builtProgram is a program as its own build information describes it.
type builtProgram struct {
	Name    string `json:"name"`
	Module  string `json:"module"`
	Version string `json:"version,omitempty"`
	Go      string `json:"go"`
	GOARCH  string `json:"goarch"`
	GOARM   string `json:"goarm,omitempty"`
	SHA256  string `json:"sha256"`
}

// cpuName is what owners call a target's CPU: armv6.
func cpuName(t Target) string { return strings.TrimSuffix(t.Arch+"v"+t.ARM, "v") }

// Make builds everything and fills the bundle's folder. It returns the names of
// its files.
func (b Bundle) Make(ctx context.Context) ([]string, error) {
	if err := os.MkdirAll(b.Out, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of --out: %w", err)
	}
	if err := enoughSpace(b.Out, bundleSpace); err != nil {
		return nil, err
	}
	// First what can fail for reasons that no build cures.
	var packages []string
	if b.Sysroot == "" && !b.Bare {
		var err error
		if b.Sysroot, packages, err = debianRoot(ctx, b.Target, b.Sources); err != nil {
			return nil, err
		}
	}
	programs, err := Build(ctx, b.Target)
	if err != nil {
		return nil, err
	}
	wanted, err := WantedImages(ctx, programs, b.Target)
	if err != nil {
		return nil, err
	}
	about := built{Kubernetes: b.Target.Version, CPU: cpuName(b.Target), Debian: packages}
	images, err := imagesOf(programs, b.Sysroot, b.Target, wanted)
	if err != nil {
		return nil, err
	}
	about.Images = slices.Sorted(maps.Keys(images))
	for _, p := range slices.Concat(kubernetesPrograms(), etcdPrograms(), []string{"coredns", "pause"}) {
		info, err := describe(filepath.Join(programs, p), b.Target)
		if err != nil {
			return nil, err
		}
		about.Programs = append(about.Programs, info)
	}
	tail := b.Target.Version + "-linux-" + cpuName(b.Target)
	files := []string{"kubernetes-" + tail + ".tar.gz", "images-" + tail + ".tar", "manifest.json"}
	makers := []func(to string) error{
		func(to string) error { return writePrograms(to, programs) },
		func(to string) error { return writeArchive(to, images) },
		func(to string) error {
			text, err := json.MarshalIndent(about, "", "  ")
			if err != nil {
				return err
			}
			return os.WriteFile(to, append(text, '\n'), 0o644)
		},
	}
	for i, name := range files {
		err := progress.Step(ctx, "writing "+name,
			func() error { return cache.Replace(filepath.Join(b.Out, name), makers[i]) })
		if err != nil {
			return nil, err
		}
	}
	err = cache.Replace(filepath.Join(b.Out, "SHA256SUMS"),
		func(to string) error { return writeSums(to, b.Out, files) })
	return append(files, "SHA256SUMS"), err
}

// describe reads what a program says of itself, and refuses one that was built
// for another CPU.
func describe(path string, t Target) (builtProgram, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return builtProgram{}, fmt.Errorf("read the build information of %s: %w", path, err)
	}
	p := builtProgram{Name: filepath.Base(path), Module: info.Path, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOARCH":
			p.GOARCH = s.Value
		case "GOARM":
			p.GOARM = s.Value
		}
	}
	if arm, _, _ := strings.Cut(p.GOARM, ","); p.GOARCH != t.Arch || arm != t.ARM {
		return p, fmt.Errorf("%s was built for %s %s, not for %s: remove it and build again", path, p.GOARCH, p.GOARM,
			cpuName(t))
	}
	if info.Main.Version != "(devel)" {
		p.Version = info.Main.Version
	}
	p.SHA256, err = sumOf(path)
	return p, err
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// writeSums writes what sha256sum --check reads.
func writeSums(to, dir string, names []string) error {
	var text bytes.Buffer
	for _, name := range names {
		sum, err := sumOf(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	return os.WriteFile(to, text.Bytes(), 0o644)
}

// kubeletUnit and kubeletDropIn start the kubelet as kubeadm expects it
// (https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/kubelet-integration/):
// kubeadm writes the files that the drop-in names.
const kubeletUnit = `[Unit]
Description=The Kubernetes node agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
`

const kubeletDropIn = `# Until kubeadm has written these files, the kubelet ends and is started again.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# From kubeadm init and kubeadm join.
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# The owner's own: KUBELET_EXTRA_ARGS.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`

// nodePrograms are those that run on the board itself. etcd's two are for its members and
// its backups.
func nodePrograms() []string { return []string{"etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet"} }

// writePrograms writes the archive that is unpacked over a board's root folder.
// It holds no folders, so that none of the board's changes its mode, and no
// time: the same programs give the same bytes.
func writePrograms(to, programs string) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	packed := gzip.NewWriter(buffered)
	tw := tar.NewWriter(packed)
	for _, p := range nodePrograms() {
		if err := tarfile.AddProgram(tw, "usr/bin/"+p, filepath.Join(programs, p)); err != nil {
			return err
		}
	}
	for _, unit := range []struct{ name, text string }{
		{"usr/lib/systemd/system/kubelet.service", kubeletUnit},
		{"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", kubeletDropIn},
	} {
		if err := tw.WriteHeader(&tar.Header{Name: unit.name, Typeflag: tar.TypeReg, Mode: 0o644,
			Size: int64(len(unit.text))}); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, unit.text); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}
