package host

import (
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// Host is how a board is set up: everything but its hardware that decides
// whether Kubernetes can run on it. It holds no identifier and no address of the
// board.
type Host struct {
	// Stopped is set for a system that does not run, such as a card's in another
	// machine: then nothing is known but what its files say.
	Stopped    bool        `json:"stopped,omitempty"`
	Cmdline    []string    `json:"cmdline,omitempty"`
	BootFile   *BootFile   `json:"bootFile,omitempty"`
	Cgroups    CgroupState `json:"cgroups"`
	Swap       SwapState   `json:"swap"`
	Volumes    []Volume    `json:"volumes,omitempty"`
	Names      Names       `json:"names"`
	Kernel     KernelParts `json:"kernel"`
	Network    Network     `json:"network"`
	Clock      Clock       `json:"clock"`
	Identities []Identity  `json:"identities,omitempty"`
	Runtime    Runtime     `json:"runtime"`
	Node       Node        `json:"node"`
	Power      Power       `json:"power"`
	// Programs are what was found along PATH of ProgramNames, by name; Broken
	// are those that are there and are no programs for any CPU.
	Programs []hwdetect.Binary `json:"programs,omitempty"`
	// Services says of the units of container runtimes and the kubelet how they
	// stand; those that are not there are absent.
	Services map[string]UnitState `json:"services,omitempty"`
	// InPath reports which of the small programs that kubeadm's preflight asks
	// for are there.
	InPath map[string]bool `json:"-"`
	// Packages are the versions of Debian packages, by name.
	Packages map[string]string `json:"-"`
}

// Options say what to look at.
type Options struct {
	// Root is "/" but for tests.
	Root string
	// Path is the list of folders that programs are looked for in, in the form
	// of $PATH, below Root.
	Path string
	// Now is the board's clock, and Built when this program was built (zero
	// when that is not known).
	Now, Built time.Time
	// Folders are looked at beside "/": where the etcd data, the kubelet's and
	// the runtime's files will lie. The first is etcd's.
	Folders []string
	// Socket is the runtime's, when the owner named one.
	Socket string
	// ResolvConf is the kubelet's resolvConf, when its configuration sets it.
	ResolvConf string
	// PKI is kubeadm's folder of certificates, /etc/kubernetes/pki when empty.
	PKI string
	// Programs names programs by their path that count in place of what PATH
	// has under the same name, such as the real kubeadm.
	Programs map[string]string
}

// files are the board's.
type files struct{ rootfs.FS }

func filesOf(root string) files { return files{rootfs.Of(root)} }

// RuntimeFolder is containerd's, unless its configuration names another one.
const RuntimeFolder = "/var/lib/containerd"

// Read reads how a board is set up. Like [hwdetect.Read] it never fails on missing
// files.
func Read(o Options, kernel hwdetect.Kernel) Host {
	f := filesOf(o.Root)
	h := Host{Stopped: f.Stopped, Cmdline: strings.Fields(string(f.Read("/proc/cmdline")))}
	h.BootFile = readBootFile(f, h.Cmdline, f.Line("/proc/device-tree/model"))
	h.Swap = readSwap(f, h.Cmdline)
	mounts := linux.ParseMounts(f.Read("/proc/self/mountinfo"))
	if len(mounts) == 0 {
		mounts = linux.ParseMounts(f.Read("/proc/1/mountinfo"))
	}
	h.Cgroups = readCgroups(f, mounts)
	h.Runtime = readRuntime(f, o.Socket)
	for _, path := range append([]string{"/"}, o.Folders...) {
		if root := h.Runtime.Containerd.Root; root != "" && path == RuntimeFolder {
			path = root
		}
		v := readVolume(f, mounts, path)
		fillSpace(f, &v)
		h.Volumes = append(h.Volumes, v)
	}
	h.Services = readServices(f)
	etcd := "/var/lib/etcd"
	if len(o.Folders) > 0 {
		etcd = o.Folders[0]
	}
	h.Node = readNode(f, etcd)
	resolvConf := h.Node.KubeletFlag("resolv-conf")
	if resolvConf == "" {
		resolvConf = o.ResolvConf
	}
	h.Names = readNames(f, resolvConf)
	h.Kernel = readKernelParts(f, kernel.Release)
	h.Network = readNetwork(f)
	h.Identities = readIdentities(f)
	h.Power = readPower(f)
	h.Programs = hwdetect.ReadPrograms(o.Root, o.Path, o.Programs)
	h.InPath = inPath(f, o.Path)
	if filepath.Clean(o.Root) != "/" { // else the programs are asked
		h.Packages = readPackages(f)
	}
	h.Clock = readClock(f, o.Now, o.Built, h.Programs, o.PKI)
	return h
}

// fillSpace asks the file system of a folder, or of the nearest folder above
// that is there, for its room (statfs(2)).
func fillSpace(f files, v *Volume) {
	if filepath.Clean(string(f.Root)) != "/" && !isMountPoint(string(f.Root)) {
		return // a copy of a system, on this machine's disk
	}
	path := f.Real(v.Path)
	for !f.Exists(path) && path != "/" {
		path = filepath.Dir(path)
	}
	var s unix.Statfs_t
	if unix.Statfs(f.Root.At(path), &s) != nil || s.Bsize <= 0 {
		return
	}
	v.Free, v.Size = s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
	v.FreeInodes = -1
	if s.Files > 0 {
		v.FreeInodes = int64(s.Ffree)
	}
}

// isMountPoint reports whether a folder lies on another file system than the one
// above it.
func isMountPoint(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Join(dir, ".."), &above) == nil && here.Dev != above.Dev
}

// smallPrograms are those that some kubeadm's preflight wants in PATH
// (preflight/checks.go).
func smallPrograms() []string {
	return []string{"conntrack", "cp", "crictl", "ip", "iptables", "losetup", "mount", "nsenter"}
}

func inPath(f files, path string) map[string]bool {
	found := map[string]bool{}
	for _, name := range smallPrograms() {
		found[name] = false
		for where := range linux.Candidates(path, name) {
			if _, there := f.Stat(where); there {
				found[name] = true
				break
			}
		}
	}
	return found
}
