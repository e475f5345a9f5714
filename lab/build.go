package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// A target is a version of Kubernetes for a CPU.
type target struct {
	Version string // v1.37.2
	Arch    string // GOARCH
	ARM     string // GOARM, for Arch arm only
}

func (t target) String() string {
	name := t.Version + "-" + t.Arch
	if t.Arch == "arm" {
		name += "v" + t.ARM
	}
	return name
}

var versionForm = regexp.MustCompile(`^v1\.(\d+)\.(\d+)$`)

// programs of k8s.io/kubernetes that a board needs.
func kubernetesPrograms() []string {
	return []string{"kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}
}

// build makes sure that all programs of t are built, and returns their folder.
func build(t target) (string, error) {
	if !versionForm.MatchString(t.Version) {
		return "", fmt.Errorf("build Kubernetes: version %q: want the form v1.37.2", t.Version)
	}
	out, err := folder("programs", t.String())
	if err != nil {
		return "", err
	}
	module, err := folder("modules", t.Version)
	if err != nil {
		return "", err
	}
	for _, p := range kubernetesPrograms() {
		err := once(filepath.Join(out, p), func(to string) error {
			if err := kubernetesModule(module, t.Version); err != nil {
				return err
			}
			say("building %s %s for %s", p, t.Version, t.Arch)
			return goBuild(module, t, to, "k8s.io/kubernetes/cmd/"+p, stamp(t.Version))
		})
		if err != nil {
			return "", err
		}
	}
	wanted, err := wantedImages(out, t)
	if err != nil {
		return "", err
	}
	if err := once(filepath.Join(out, "etcd"), func(to string) error {
		tag, _, _ := strings.Cut(wanted["etcd"].tag, "-")
		say("building etcd %s for %s", tag, t.Arch)
		dir, err := folder("modules", "etcd-"+tag)
		if err != nil {
			return err
		}
		if err := simpleModule(dir, "go.etcd.io/etcd/server/v3", "v"+strings.TrimPrefix(tag, "v")); err != nil {
			return err
		}
		return goBuild(dir, t, to, "go.etcd.io/etcd/server/v3", "-s -w")
	}); err != nil {
		return "", err
	}
	if err := once(filepath.Join(out, "coredns"), func(to string) error {
		tag := wanted["coredns"].tag
		say("building CoreDNS %s for %s", tag, t.Arch)
		dir, err := folder("modules", "coredns-"+tag)
		if err != nil {
			return err
		}
		if err := simpleModule(dir, "github.com/coredns/coredns", tag); err != nil {
			return err
		}
		return goBuild(dir, t, to, "github.com/coredns/coredns", "-s -w")
	}); err != nil {
		return "", err
	}
	return out, once(filepath.Join(out, "pause"), func(to string) error {
		dir, err := folder("modules", "pause")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module pause\n\ngo 1.24\n"), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(pauseSource), 0o644); err != nil {
			return err
		}
		return goBuild(dir, t, to, "pause", "-s -w")
	})
}

// once makes a file through make unless it is there. It appears whole or not
// at all.
func once(path string, make func(to string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	tmp := path + ".new"
	if err := make(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// goBuild builds a static program.
func goBuild(dir string, t target, to, pkg, ldflags string) error {
	cmd := exec.Command("go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags="+ldflags, "-o", to, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+t.Arch, "GOFLAGS=", "GOWORK=off")
	if t.ARM != "" {
		cmd.Env = append(cmd.Env, "GOARM="+t.ARM)
	}
	return runQuiet(cmd)
}

// runQuiet runs a command and shows its output only when it fails.
func runQuiet(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s in %s: %w\n%s", strings.Join(cmd.Args, " "), cmd.Dir, err, tail(out.String(), 20))
	}
	return nil
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// stamp are the linker flags without which the programs call themselves v0.0.0
// (k8s.io/component-base/version/base.go).
func stamp(version string) string {
	m := versionForm.FindStringSubmatch(version)
	const pkg = "k8s.io/component-base/version."
	return fmt.Sprintf("-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=1 -X %[1]sgitMinor=%[3]s -X %[1]sgitTreeState=clean -X %[1]sgitCommit=built-from-module -X %[1]sbuildDate=1970-01-01T00:00:00Z",
		pkg, version, m[1])
}

// kubernetesModule writes a module that requires k8s.io/kubernetes. Its own
// go.mod names the staging modules at v0.0.0 and replaces them by folders that
// are not in the module; here they are replaced by their published versions.
func kubernetesModule(dir, version string) error {
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return nil
	}
	say("resolving modules of Kubernetes %s", version)
	goMod, err := downloadModule("k8s.io/kubernetes", version)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(goMod)
	if err != nil {
		return err
	}
	var staging []string
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[1] == "v0.0.0" && strings.HasPrefix(fields[0], "k8s.io/") {
			staging = append(staging, fields[0])
		}
	}
	sort.Strings(staging)
	var mod strings.Builder
	fmt.Fprintf(&mod, "module board\n\ngo %s\n\nrequire k8s.io/kubernetes %s\n\n", goVersion(), version)
	for _, s := range staging {
		fmt.Fprintf(&mod, "replace %s => %s v0%s\n", s, s, strings.TrimPrefix(version, "v1"))
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod.String()), 0o644); err != nil {
		return err
	}
	var tools strings.Builder
	tools.WriteString("//go:build tools\n\npackage board\n\nimport (\n")
	for _, p := range kubernetesPrograms() {
		fmt.Fprintf(&tools, "\t_ \"k8s.io/kubernetes/cmd/%s\"\n", p)
	}
	tools.WriteString(")\n")
	if err := os.WriteFile(filepath.Join(dir, "tools.go"), []byte(tools.String()), 0o644); err != nil {
		return err
	}
	if err := tidy(dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ready"), nil, 0o644)
}

// simpleModule writes a module that requires one program's module.
func simpleModule(dir, path, version string) error {
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return nil
	}
	mod := fmt.Sprintf("module board\n\ngo %s\n\nrequire %s %s\n", goVersion(), path, version)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
		return err
	}
	tools := fmt.Sprintf("//go:build tools\n\npackage board\n\nimport _ %q\n", path)
	if err := os.WriteFile(filepath.Join(dir, "tools.go"), []byte(tools), 0o644); err != nil {
		return err
	}
	if err := tidy(dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ready"), nil, 0o644)
}

func tidy(dir string) error {
	// -e: test-only imports of imports may be gone by now.
	cmd := exec.Command("go", "mod", "tidy", "-e")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	return runQuiet(cmd)
}

func goVersion() string {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "1.26.0"
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "go")
}

// downloadModule returns the path of a module's go.mod.
func downloadModule(path, version string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", path+"@"+version)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.Dir = os.TempDir()
	out, err := cmd.Output()
	var info struct{ GoMod, Error string }
	if jsonErr := json.Unmarshal(out, &info); jsonErr == nil && info.Error != "" {
		return "", fmt.Errorf("download %s %s: %s", path, version, info.Error)
	}
	if err != nil {
		return "", fmt.Errorf("download %s %s: %w", path, version, err)
	}
	if info.GoMod == "" {
		return "", errors.New("download " + path + ": no go.mod named")
	}
	return info.GoMod, nil
}

// pauseSource is what holds a pod's namespaces: it waits to be ended, and as
// process 1 of a shared namespace takes in orphans.
const pauseSource = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	orphan := make(chan os.Signal, 1)
	signal.Notify(orphan, syscall.SIGCHLD)
	for {
		select {
		case <-end:
			return
		case <-orphan:
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}
`
