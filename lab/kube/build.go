// Package kube builds Kubernetes, etcd, CoreDNS and pause from their Go modules, for this
// machine or for a board with another CPU, and makes container images, archives and
// bundles of them.
package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// A target is a version of Kubernetes for a CPU.
type Target struct {
	Version string // v1.37.2
	Arch    string // GOARCH
	ARM     string // GOARM, for Arch arm only
}

// DefaultVersion is the newest Kubernetes that kubeadm-arm knows.
const DefaultVersion = "v1.37.2"

// recipe counts the ways in which programs and images were made, so that a
// newer lab does not take what an older one left in the cache.
const recipe = "1"

// String names the target's folder in the cache.
func (t Target) String() string {
	name := t.Version + "-" + t.Arch
	if t.Arch == "arm" {
		name += "v" + t.ARM
	}
	return name + "-" + recipe
}

// VersionForm is the form of a version of Kubernetes, with its minor and patch numbers.
var VersionForm = regexp.MustCompile(`^v1\.(\d+)\.(\d+)$`)

func (t Target) check() error {
	if !VersionForm.MatchString(t.Version) {
		return fmt.Errorf("version %q of Kubernetes: want the form v1.37.2", t.Version)
	}
	switch t.Arch + t.ARM {
	case "amd64", "arm64", "arm5", "arm6", "arm7":
		return nil
	}
	return fmt.Errorf("CPU %q %q: want amd64, arm64, or arm with --goarm 5, 6 or 7", t.Arch, t.ARM)
}

// kubernetesPrograms are the commands of k8s.io/kubernetes that a board needs.
func kubernetesPrograms() []string {
	return []string{"kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
		"kube-proxy"}
}

// Build makes sure that all programs of t are built, and returns their folder.
func Build(ctx context.Context, t Target) (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	out, err := cache.Folder("programs", t.String())
	if err != nil {
		return "", err
	}
	unlock, err := cache.Lock(ctx, filepath.Join(out, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := buildKubernetes(ctx, t, kubernetesPrograms()...); err != nil {
		return "", err
	}
	wanted, err := WantedImages(ctx, out, t)
	if err != nil {
		return "", err
	}
	for _, program := range etcdPrograms() {
		if err := cache.Once(filepath.Join(out, program),
			func(to string) error { return buildEtcd(ctx, t, program, wanted["etcd"].tag, to) }); err != nil {
			return "", err
		}
	}
	if NeedsCrictl(t.Version) {
		if err := buildModule(ctx, t, out, "crictl", "sigs.k8s.io/cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl",
			"v1.30.0"); err != nil {
			return "", err
		}
	}
	if err := cache.Once(filepath.Join(out, "coredns"),
		func(to string) error { return buildCoreDNS(ctx, t, wanted["coredns"].tag, to) }); err != nil {
		return "", err
	}
	return out, cache.Once(filepath.Join(out, "pause"), func(to string) error {
		dir, err := pauseModule()
		if err != nil {
			return err
		}
		return goBuild(ctx, dir, t, to, "-s -w", "pause")
	})
}

// NeedsCrictl reports whether a kubeadm calls crictl instead of asking the runtime
// itself (cmd/kubeadm/app/util/runtime/runtime.go).
func NeedsCrictl(version string) bool { return Minor(version) < 31 }

// buildModule builds a program, the package pkg of a module that is not
// Kubernetes' own.
func buildModule(ctx context.Context, t Target, out, program, module, pkg, version string) error {
	return cache.Once(filepath.Join(out, program), func(to string) error {
		dir, err := programModule(ctx, module, version, pkg)
		if err != nil {
			return err
		}
		return goBuild(ctx, dir, t, to, "-s -w", pkg)
	})
}

// BuildOnly builds one command of Kubernetes and returns its path.
func BuildOnly(ctx context.Context, t Target, program string) (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	if !slices.Contains(kubernetesPrograms(), program) {
		return "", fmt.Errorf("program %q: want one of %s", program, strings.Join(kubernetesPrograms(), ", "))
	}
	dir, err := cache.Folder("programs", t.String())
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, program)
	// Another lab that builds the rest need not be waited for.
	if !cache.Exists(file) {
		unlock, err := cache.Lock(ctx, filepath.Join(dir, ".lock"))
		if err != nil {
			return "", err
		}
		defer unlock()
		if err := buildKubernetes(ctx, t, program); err != nil {
			return "", err
		}
	}
	return file, nil
}

// buildKubernetes builds those commands of Kubernetes that are not there yet, all in
// one call of go, which then links one while it compiles the next.
func buildKubernetes(ctx context.Context, t Target, programs ...string) (err error) {
	out, err := cache.Folder("programs", t.String())
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(programs),
		func(p string) bool { return cache.Exists(filepath.Join(out, p)) })
	if len(missing) == 0 {
		return nil
	}
	module, err := kubernetesModule(ctx, t.Version)
	if err != nil {
		return err
	}
	tmp := filepath.Join(out, ".new")
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	var packages []string
	for _, p := range missing {
		packages = append(packages, "k8s.io/kubernetes/cmd/"+p)
	}
	// Those that need C are built in a call of their own.
	withC := func(pkg string) bool { return needsC(t.Version, pkg) }
	for _, some := range [][]string{slices.DeleteFunc(slices.Clone(packages), withC),
		slices.DeleteFunc(packages, func(p string) bool { return !withC(p) })} {
		if len(some) == 0 {
			continue
		}
		if err := goBuild(ctx, module, t, tmp+"/", stamp(t.Version), some...); err != nil {
			return err
		}
	}
	for _, p := range missing {
		if err := os.Rename(filepath.Join(tmp, p), filepath.Join(out, p)); err != nil {
			return err
		}
	}
	return nil
}

// etcdPrograms are the server, its client, and the program that restores a backup.
func etcdPrograms() []string { return []string{"etcd", "etcdctl", "etcdutl"} }

// buildEtcd builds a program of the etcd that an image tag such as 3.5.15-0 names. If
// there is no module of that version, the newest of the same minor is taken.
func buildEtcd(ctx context.Context, t Target, program, tag, to string) error {
	module := "go.etcd.io/etcd/" + program + "/v3"
	if program == "etcd" {
		module = "go.etcd.io/etcd/server/v3"
	}
	version := etcdVersion(tag)
	dir, err := programModule(ctx, module, version, module)
	if err != nil {
		minor := version[:strings.LastIndexByte(version, '.')]
		progress.Log("no etcd %s to be had, taking the newest %s", version, minor)
		newest, errNewest := newestModule(ctx, module, minor)
		if errNewest != nil {
			return fmt.Errorf("%w\n%w", err, errNewest)
		}
		if dir, err = programModule(ctx, module, newest, module); err != nil {
			return err
		}
	}
	return goBuild(ctx, dir, t, to, "-s -w", module)
}

// newestOldEtcd stands in for every etcd before v3.5, which was the first whose
// server is a module: it knows their flags and speaks their API.
const newestOldEtcd = "v3.5.15"

// etcdVersion is the version of etcd's module for an image tag.
func etcdVersion(tag string) string {
	version, _, _ := strings.Cut(tag, "-")
	version = "v" + strings.TrimPrefix(version, "v")
	if isOldEtcd(version) {
		progress.Log("etcd %s has no module, taking %s", version, newestOldEtcd)
		return newestOldEtcd
	}
	return version
}

func isOldEtcd(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "v%d.%d.", &major, &minor)
	return err == nil && (major < 3 || major == 3 && minor < 5)
}

// needsEtcdctl reports whether a kubeadm's probe of etcd calls etcdctl in a shell,
// as it did up to v1.15 (cmd/kubeadm/app/phases/etcd/local.go).
func needsEtcdctl(version string) bool { return Minor(version) < 16 }

// needsC reports whether a program cannot do without a C compiler: cAdvisor in the
// kubelets before Kubernetes had a go.mod.
func needsC(version, pkg string) bool {
	return Minor(version) < firstWithModules && strings.HasSuffix(pkg, "/cmd/kubelet")
}

// goBuild builds static programs, but for those that need C. They go to the file to,
// or into that folder if it ends with a slash.
func goBuild(ctx context.Context, dir string, t Target, to, ldflags string, packages ...string) error {
	toolchain, err := os.ReadFile(filepath.Join(dir, toolchainFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	args := []string{"build", "-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=" + ldflags, "-o", to}
	overlay := filepath.Join(dir, overlayFile)
	if cache.Exists(overlay) {
		args = append(args, "-overlay="+overlay)
	}
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + t.Arch}
	if needsC(t.Version, packages[0]) {
		env[0] = "CGO_ENABLED=1"
	}
	if cache.Exists(overlay) {
		// Without this, go looks into its index of downloaded modules, which
		// knows of no overlay.
		env = append(env, "GODEBUG=goindex=0")
	}
	if t.ARM != "" {
		env = append(env, "GOARM="+t.ARM)
	}
	if len(toolchain) > 0 {
		env = append(env, "GOTOOLCHAIN="+string(toolchain))
	}
	var names []string
	for _, p := range packages {
		names = append(names, programName(p))
	}
	what := fmt.Sprintf("building %s of Kubernetes %s for %s", strings.Join(names, ", "), t.Version,
		strings.TrimSuffix(t.Arch+"v"+t.ARM, "v"))
	return progress.Counted(ctx, what, func(p *progress.Counter) error {
		list := goCommand(ctx, dir, append([]string{"list", "-mod=mod", "-deps"}, packages...)...)
		list.Env = append(list.Env, env...)
		// Only to tell how much is left.
		if out, err := list.Output(); err == nil {
			p.Most.Store(int64(bytes.Count(out, []byte{'\n'})))
		}
		cmd := goCommand(ctx, dir, append(args, packages...)...)
		cmd.Env = append(cmd.Env, env...)
		return runCounting(cmd, p)
	})
}

// programName is the name of the program that go makes of a package: the last part of
// its path that is no version.
func programName(pkg string) string {
	name := path.Base(pkg)
	if majorForm.MatchString(name) {
		name = path.Base(path.Dir(pkg))
	}
	return name
}

// majorForm is a module's major version as part of its path.
var majorForm = regexp.MustCompile(`^v\d+$`)

// goCommand is a go command that no setting of the caller's shell bends.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on")
	if os.Getenv("HOME") == "" && os.Getenv("GOCACHE") == "" && os.Getenv("XDG_CACHE_HOME") == "" {
		// go wants a home for its caches.
		if base, err := cache.Dir(); err == nil {
			cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(base, "go-build"), "GOPATH="+filepath.Join(base, "go"))
		}
	}
	// go ends its compilers when it is interrupted, not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// runCounting runs go build -v, which prints the name of each package that it
// compiles, and shows the rest of its output when it fails.
func runCounting(cmd *exec.Cmd, p *progress.Counter) error {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(cmd.Args, " "), err)
	}
	var rest strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if packageForm.MatchString(lines.Text()) {
			p.Done.Add(1)
		} else {
			rest.WriteString(lines.Text() + "\n")
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return fmt.Errorf("run %s in %s: %w\n%s", strings.Join(cmd.Args, " "), cmd.Dir, err,
			command.Tail(rest.String(), 20))
	}
	return nil
}

// packageForm is a line that holds the path of a package and nothing else.
var packageForm = regexp.MustCompile(`^[\w.~/-]+$`)

// stamp are the linker flags without which the programs call themselves v0.0.0
// (k8s.io/component-base/version/base.go; up to v1.14 k8s.io/kubernetes/pkg/version).
func stamp(version string) string {
	minor := VersionForm.FindStringSubmatch(version)[1]
	pkg := "k8s.io/component-base/version."
	if Minor(version) < firstWithModules {
		pkg = "k8s.io/kubernetes/pkg/version."
	}
	flags := "-s -w"
	for _, v := range []string{"gitVersion=" + version, "gitMajor=1", "gitMinor=" + minor, "gitTreeState=clean",
		"gitCommit=built-from-module", "buildDate=1970-01-01T00:00:00Z"} {
		flags += " -X " + pkg + v
	}
	return flags
}
