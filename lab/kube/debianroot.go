package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// imagePackages are the Debian packages that images have programs from:
// kube-proxy's, and that of an old etcd, whose probe needs a shell. apt adds
// the libraries.
func imagePackages(t Target) []string {
	packages := []string{"iptables", "nftables", "conntrack"}
	if Minor(t.Version) < 16 {
		packages = append(packages, "dash")
	}
	return packages
}

// debianArch is the Debian port whose programs run on a target. Debian's armhf
// is for ARMv7: ARMv6 takes armel, whose libraries come along in the image.
func debianArch(t Target) string {
	switch t.Arch + t.ARM {
	case "arm7":
		return "armhf"
	case "arm5", "arm6":
		return "armel"
	}
	return t.Arch
}

// debianRoot downloads Debian packages for another CPU with this machine's apt,
// its sources and its keys, and unpacks them. Nothing is installed here. It
// returns the folder that holds them and the packages, as name=version. sources
// is a file of sources.list(5) to use instead, or empty.
func debianRoot(ctx context.Context, t Target, sources string) (root string, packages []string, err error) {
	arch := debianArch(t)
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", nil, &NoNetfilterError{fmt.Errorf("no %s here to fetch iptables for %s with", program, arch)}
		}
	}
	base, err := cache.Folder("debian", arch)
	if err != nil {
		return "", nil, err
	}
	unlock, err := cache.Lock(ctx, filepath.Join(base, ".lock"))
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	debs, err := fetchPackages(ctx, base, arch, imagePackages(t), sources)
	if err != nil {
		return "", nil, err
	}
	for _, deb := range debs {
		out, err := exec.CommandContext(ctx, "dpkg-deb", "--show", "--showformat", "${Package}=${Version}",
			deb).Output()
		if err != nil {
			return "", nil, fmt.Errorf("read %s: %w", deb, err)
		}
		packages = append(packages, string(out))
	}
	slices.Sort(packages)
	root = filepath.Join(base, fmt.Sprintf("root-%.12x", sha256.Sum256([]byte(strings.Join(packages, "\n")))))
	return root, packages, cache.Once(root, func(to string) error {
		if err := os.RemoveAll(to); err != nil { // what an interrupted run left
			return err
		}
		for _, deb := range debs {
			if err := command.Quiet(exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, to)); err != nil {
				return errors.Join(err, os.RemoveAll(to))
			}
		}
		return nil
	})
}

// fetchPackages has apt, with a state of its own below base, download packages and
// those that they depend on, and returns their files.
func fetchPackages(ctx context.Context, base, arch string, wanted []string, sources string) ([]string, error) {
	options, err := aptOptions(base, arch, sources)
	if err != nil {
		return nil, err
	}
	apt := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "apt-get", append(slices.Clone(options), args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		return command.Quiet(cmd)
	}
	err = progress.Step(ctx, "fetching "+strings.Join(wanted, ", ")+" for "+arch+" with apt", func() error {
		// One source of several that fails need not be the one that has them.
		partly := apt("update")
		err := apt(append([]string{"install", "--download-only", "-y", "--no-install-recommends"}, wanted...)...)
		if err != nil && partly != nil {
			return partly
		}
		return err
	})
	if err != nil {
		return nil, &NoNetfilterError{err}
	}
	return filepath.Glob(filepath.Join(base, "cache/archives/*.deb"))
}

// aptOptions prepares the folder base for apt and returns the options with which apt
// uses it.
func aptOptions(base, arch, sources string) ([]string, error) {
	// Every run begins with an empty archive, so that what is there afterwards is
	// what was asked for.
	if err := os.RemoveAll(filepath.Join(base, "cache")); err != nil {
		return nil, err
	}
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			return nil, err
		}
	}
	status := filepath.Join(base, "state/status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	settings := []string{
		"APT::Architecture=" + arch, "APT::Architectures=" + arch, "Dir::State=" + filepath.Join(base, "state"),
		"Dir::State::status=" + status, "Dir::Cache=" +
			filepath.Join(base, "cache"), "APT::Sandbox::User=root", "Acquire::Languages=none",
	}
	if sources != "" {
		path, err := filepath.Abs(sources)
		if err != nil {
			return nil, err
		}
		settings = append(settings, "Dir::Etc::sourcelist="+path, "Dir::Etc::sourceparts=-")
	}
	options := []string{"-qq"}
	for _, s := range settings {
		options = append(options, "-o", s)
	}
	return options, nil
}

// NoNetfilterError says that there is no iptables to be had for kube-proxy.
type NoNetfilterError struct{ err error }

func (e *NoNetfilterError) Error() string {
	return "kube-proxy's image needs iptables: " + e.err.Error()
}
func (e *NoNetfilterError) Unwrap() error { return e.err }
