package doctor

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

var update = flag.Bool("update", false, "write the golden files anew")

var someDay = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// boardFacts lays a board's files down and reads them. Room on the disk is this
// machine's and left out.
func boardFacts(t *testing.T, path string) (Facts, string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	require.NoError(t, err)
	root, err := os.MkdirTemp("", "kd") // a socket's path may have 108 bytes only
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	for _, f := range a.Files {
		name := filepath.Join(root, f.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, f.Data, 0o644))
		require.NoError(t, os.Chtimes(name, someDay.AddDate(-1, 0, 0), someDay.AddDate(-1, 0, 0)))
	}
	f := Facts{Ask: Ask{APIPort: 6443, EtcdFolder: "/var/lib/etcd"}, Root: true}
	kernel, now := hwdetect.Kernel{}, someDay
	for _, line := range strings.Split(string(a.Comment), "\n") {
		word, value, _ := strings.Cut(line, " ")
		switch word {
		case "kubeadm":
			v, err := kubeadm.ParseVersion(value)
			require.NoError(t, err)
			f.Kubeadm, err = kubeadm.BehaviourOf(v)
			require.NoError(t, err)
			f.Known = true
		case "kubelet":
			f.Kubelet, err = kubeadm.ParseVersion(value)
			require.NoError(t, err)
		case "containerd":
			f.RuntimeVersion = value
		case "image":
			f.Images, f.ImagesKnown = append(f.Images, value), true
		case "machine":
			kernel.Machine, kernel.Release, _ = strings.Cut(value, " ")
			require.NoError(t, os.MkdirAll(root+"/proc/sys/kernel", 0o755))
			require.NoError(t, os.WriteFile(root+"/proc/sys/kernel/arch", []byte(kernel.Machine), 0o644))
			require.NoError(t, os.WriteFile(root+"/proc/sys/kernel/osrelease", []byte(kernel.Release), 0o644))
		case "clock":
			now, err = time.Parse(time.RFC3339, value)
			require.NoError(t, err)
		case "socket":
			require.NoError(t, os.MkdirAll(filepath.Dir(root+value), 0o755))
			ln, err := net.Listen("unix", root+value)
			require.NoError(t, err)
			t.Cleanup(func() { ln.Close() })
		}
	}
	f.Board, err = hwdetect.Read(root)
	require.NoError(t, err)
	f.Host = host.Read(host.Options{Root: root, Path: "/usr/bin:/usr/sbin", Now: now, Built: someDay.AddDate(0, 0, -20),
		Folders: []string{"/var/lib/etcd", "/etc/kubernetes"}}, f.Board.Kernel)
	for i := range f.Host.Volumes {
		f.Host.Volumes[i].Free, f.Host.Volumes[i].Size = 0, 0
	}
	return f, root
}

func TestBoards(t *testing.T) {
	all, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	codes := map[string]int{"healthy": 0}
	for _, path := range all {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			f, root := boardFacts(t, path)
			before := treeHash(t, root)
			r := Diagnose(f)
			assert.Equal(t, r, Diagnose(f), "one board, one report")
			assert.Equal(t, before, treeHash(t, root), "looking changes nothing")
			var out bytes.Buffer
			require.NoError(t, Text(&out, r))
			golden := strings.TrimSuffix(path, ".txtar") + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), out.String())
			code, ok := codes[name]
			if !ok {
				code = 2
			}
			assert.Equal(t, code, r.ExitCode())
			for _, line := range strings.Split(out.String(), "\n") {
				if !strings.HasPrefix(line, "           ") && !strings.Contains(line, "to continue anyway") {
					assert.LessOrEqual(t, len([]rune(line)), textWidth, line)
				}
			}
		})
	}
}

func treeHash(t *testing.T, root string) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, info.Mode(), info.ModTime().UnixNano(), info.Size())
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write(text)
		}
		return nil
	}))
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Every finding says what it means, and whatever is bad what to do.
func TestEveryBadFindingHelps(t *testing.T) {
	all, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, path := range all {
		f, _ := boardFacts(t, path)
		for _, x := range Diagnose(f).Findings {
			seen[x.ID] = true
			assert.NotEmpty(t, x.ID)
			assert.NotEmpty(t, x.Seen, x.ID)
			assert.NotContains(t, x.Seen, "\n", x.ID)
			if x.Severity.Worse(OK) {
				assert.NotEmpty(t, x.Means, x.ID)
			}
			if x.Severity.Worse(Info) {
				assert.NotEmpty(t, x.Fix, x.ID)
			}
		}
	}
	for _, id := range []string{
		"cpus", "memory", "memory-cgroup", "cgroup-version", "swap", "clock", "hostname", "hostname-resolves", "copied-card", "etcd-disk", "kernel", "kernel-features", "ip-forward",
		"ports", "runtime", "containerd-config", "runtime-version", "kubelet-unit", "kubelet-version", "images", "etcd-arch", "leftovers", "name-servers", "default-route", "read-only", "small-programs", "power",
	} {
		assert.True(t, seen[id], "%s: on no board", id)
	}
}

func find(r Report, id string) Finding {
	for _, f := range r.Findings {
		if f.ID == id {
			return f
		}
	}
	return Finding{}
}

func TestIgnoring(t *testing.T) {
	f, _ := boardFacts(t, "testdata/raspberry-pi-os.txtar")
	assert.Equal(t, Fail, find(Diagnose(f), "memory-cgroup").Severity)
	for _, list := range [][]string{{"all"}, {"Memory-Cgroup"}} {
		f.Ask.Ignore = list
		x := find(Diagnose(f), "memory-cgroup")
		assert.Equal(t, Warning, x.Severity, list)
		assert.True(t, x.Ignored)
	}
	// The kubelet stops at it, too, so kubeadm's check alone is not enough.
	f.Ask.Ignore = []string{"Mem", "SystemVerification"}
	assert.Equal(t, Fail, find(Diagnose(f), "memory-cgroup").Severity)
	assert.Equal(t, Warning, find(Diagnose(f), "memory").Severity)
	// Several checks for one finding: all of them have to be named.
	ports := Finding{ID: "ports", Checks: []string{"Port-6443", "Port-10250"}}
	assert.False(t, ports.ignoredBy([]string{"Port-6443"}))
	assert.True(t, ports.ignoredBy([]string{"port-10250", "Port-6443"}))
}

// A kernel for one core has no cpusets. kubeadm minds, the kubelet does not: on
// such a board init had stopped with SystemVerification ignored.
func TestKernelForOneCore(t *testing.T) {
	f, _ := boardFacts(t, "testdata/healthy.txtar")
	require.Equal(t, 2, f.Host.Cgroups.Version)
	f.Host.Cgroups.Controllers = slices.DeleteFunc(slices.Clone(f.Host.Cgroups.Controllers),
		func(c string) bool { return c == "cpuset" })
	f.Host.Kernel.ConfigFrom, f.Host.Kernel.Config = "/boot/config", maps.Clone(f.Host.Kernel.Config)
	delete(f.Host.Kernel.Config, "CPUSETS")
	x := find(Diagnose(f), "cgroup-controllers")
	assert.Equal(t, Fail, x.Severity)
	assert.Contains(t, x.Means, "the kubelet does without")
	f.Ask.Ignore = []string{"SystemVerification"}
	assert.Equal(t, Warning, find(Diagnose(f), "cgroup-controllers").Severity)
	assert.NotEqual(t, Fail, find(Diagnose(f), "kernel-features").Severity)
	// With cgroup v1, or without more of them, it ends.
	f.Host.Cgroups.Version = 1
	assert.Equal(t, Fail, find(Diagnose(f), "cgroup-controllers").Severity)
	f.Host.Cgroups.Version = 2
	f.Host.Cgroups.Controllers = []string{"memory", "pids"}
	assert.Contains(t, find(Diagnose(f), "cgroup-controllers").Seen, "cpu, cpuset")
}

// What the owner has set up on purpose is no finding.
func TestOwnersChoices(t *testing.T) {
	f, _ := boardFacts(t, "testdata/raspberry-pi-os.txtar")
	f.Ask.FailSwapOn = "false"
	assert.Equal(t, OK, find(Diagnose(f), "swap").Severity)
	f.Ask.FailSwapOn = ""
	f.Host.Node.KubeletArgs = []string{"--fail-swap-on=false"}
	assert.Equal(t, OK, find(Diagnose(f), "swap").Severity)

	f, _ = boardFacts(t, "testdata/armbian-banana-pi.txtar")
	f.Ask.NodeName = "banana-1"
	r := Diagnose(f)
	assert.Equal(t, OK, find(r, "hostname").Severity)
	assert.Equal(t, OK, find(r, "cgroup-version").Severity, "v1.26 runs on cgroup v1")
	f.Kubeadm, _ = kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37})
	f.Kubelet = kubeadm.Version{Major: 1, Minor: 37}
	assert.Equal(t, []string{"cgroup-version"}, find(Diagnose(f), "cgroup-version").Checks)
	f.Ask.FailCgroupV1 = "false"
	assert.Equal(t, []string{"SystemVerification"}, find(Diagnose(f), "cgroup-version").Checks, "the kubelet is "+
		"content, preflight is not")
	f.Ask.Ignore = []string{"SystemVerification"}
	assert.Equal(t, Warning, find(Diagnose(f), "cgroup-version").Severity)
	f.Ask.ExternalEtcd = true
	assert.NotContains(t, find(Diagnose(f), "ports").Seen, "2379")
	assert.Contains(t, find(Diagnose(f), "ports").Seen, "6443")
	f.Ask.APIPort = 7443
	assert.Equal(t, OK, find(Diagnose(f), "ports").Severity)
}

// What a run made itself does not stop it from going on.
func TestResuming(t *testing.T) {
	f, _ := boardFacts(t, "testdata/armbian-banana-pi.txtar")
	f.Resuming = true
	r := Diagnose(f)
	assert.Empty(t, find(r, "ports").ID)
	assert.Empty(t, find(r, "leftovers").ID)
	f.Host.Runtime.Sockets = nil
	assert.Equal(t, Warning, find(Diagnose(f), "runtime").Severity, "after a power cut it may be on its way")
}

// A finished cluster is no pile of findings.
func TestACluster(t *testing.T) {
	f, _ := boardFacts(t, "testdata/armbian-banana-pi.txtar")
	f.Host.Node.Left = append(f.Host.Node.Left, "/etc/kubernetes/manifests/kube-apiserver.yaml")
	r := Diagnose(f)
	assert.Equal(t, Info, find(r, "cluster").Severity)
	assert.Equal(t, Info, find(r, "memory").Severity, "preflight is past")
	f.Kubelet = kubeadm.Version{Major: 1, Minor: 37}
	assert.Equal(t, Info, find(Diagnose(f), "cgroup-version").Severity, "the kubelet runs, so it is configured to")
	assert.Empty(t, find(r, "ports").ID)
	assert.Empty(t, find(r, "leftovers").ID)
}

func TestKubeletSkew(t *testing.T) {
	for _, c := range []struct {
		kubeadm, kubelet, plane string
		want                    Severity
	}{
		{"v1.37.2", "v1.37.2", "", OK}, {"v1.37.2", "v1.34.0", "", OK}, {"v1.37.2", "v1.33.9", "", Fail}, {"v1.37.2", "v1.38.0", "", Fail},
		{"v1.26.15", "v1.25.0", "", OK}, {"v1.26.15", "v1.24.0", "", Fail}, {"v1.37.2", "v1.37.2", "v1.36.0", Fail}, {"v1.37.2", "v1.36.2", "1.36.0", OK}, {"v1.37.2", "v1.37.2", "stable-1", OK},
	} {
		v, err := kubeadm.ParseVersion(c.kubeadm)
		require.NoError(t, err)
		b, err := kubeadm.BehaviourOf(v)
		require.NoError(t, err)
		kubelet, err := kubeadm.ParseVersion(c.kubelet)
		require.NoError(t, err)
		got := kubeletVersion(Facts{Kubeadm: b, Known: true, Kubelet: kubelet, Ask: Ask{KubernetesVersion: c.plane}})
		require.Len(t, got, 1)
		assert.Equal(t, c.want, got[0].Severity, "%v", c)
	}
}

func TestRuntimeVersions(t *testing.T) {
	for text, want := range map[string]string{
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1\n": "1.6.20",
		"containerd containerd.io v2.1.4 75cb2b7193e4e490e9fbdc236c0e811ccaba3376":      "2.1.4",
		"containerd github.com/containerd/containerd v1.4.13~ds1":                       "1.4.13",
		"": "", "nonsense": "", "v1": "", "1..2": "", "a 1.2.3.4": "",
	} {
		assert.Equal(t, want, ParseRuntimeVersion(text), text)
	}
	for _, c := range []struct {
		minor      int
		containerd string
		want       Severity
	}{{37, "1.6.20", OK}, {37, "1.5.9", Fail}, {25, "1.5.9", OK}, {22, "1.7.0", OK}, {22, "2.0.1", Fail}, {24, "2.0.1", OK}} {
		b, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: c.minor})
		require.NoError(t, err)
		f := Facts{Kubeadm: b, Known: true, RuntimeVersion: c.containerd}
		f.Host.Runtime.Sockets = []host.Socket{{Path: "/run/containerd/containerd.sock", Runtime: "containerd",
			Answers: true}}
		assert.Equal(t, c.want, runtimeVersion(f)[0].Severity, "%v", c)
	}
}

func TestRuntimes(t *testing.T) {
	old, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 23})
	require.NoError(t, err)
	now, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37})
	require.NoError(t, err)
	docker := host.Socket{Path: "/run/docker.sock", Runtime: "Docker", Answers: true}
	f := Facts{Kubeadm: old}
	f.Host.Runtime.Sockets = []host.Socket{docker}
	assert.Equal(t, OK, runtimeAnswers(f)[0].Severity, "up to v1.23 the kubelet talks to Docker")
	f.Kubeadm = now
	x := runtimeAnswers(f)[0]
	assert.Equal(t, Fail, x.Severity)
	assert.Contains(t, x.Seen, "Docker runs")
	f.Host.Runtime.Sockets = append(f.Host.Runtime.Sockets, host.Socket{Path: "/run/containerd/containerd.sock",
		Runtime: "containerd", Answers: true})
	f.Ask.CRISocket = "unix:///var/run/containerd/containerd.sock"
	assert.Equal(t, OK, runtimeAnswers(f)[0].Severity)
	f.Ask.CRISocket = "unix:///run/other.sock"
	assert.Contains(t, runtimeAnswers(f)[0].Seen, "there is no socket unix:///run/other.sock")
	f.Host.Runtime.Sockets = append(f.Host.Runtime.Sockets, host.Socket{Path: "/run/other.sock", Runtime: "the runtime " +
		"named", Problem: "connection refused"})
	assert.Contains(t, runtimeAnswers(f)[0].Seen, "connection refused")
}

func TestPrograms(t *testing.T) {
	var f Facts
	f.Board.CPU.Arch = hwdetect.ARMv6
	f.Host.Programs = []hwdetect.Binary{{Path: "/usr/bin/kubelet", Machine: "arm", Arch: hwdetect.ARMv7, GOARM: "7"},
		{Path: "/usr/bin/kubectl", Machine: "amd64", Arch: hwdetect.AMD64}, {Path: "/usr/bin/runc", Machine: "arm",
			Arch: hwdetect.ARMv6}}
	all := programs(f)
	require.Len(t, all, 2)
	assert.Equal(t, "program-kubelet", all[0].ID)
	assert.Equal(t, Fail, all[0].Severity)
	assert.Contains(t, all[0].Seen, "was built for ARMv7; this CPU is ARMv6")
	assert.Equal(t, Warning, all[1].Severity)
}

func TestJSON(t *testing.T) {
	f, _ := boardFacts(t, "testdata/healthy.txtar")
	text, err := json.Marshal(Diagnose(f))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(text, &doc))
	assert.Equal(t, Schema, doc["schema"])
	assert.Equal(t, "info", doc["verdict"])
	// An identifier of the board has no place in it.
	assert.NotContains(t, string(text), "11111111222222223333333344444444")
}

// Nothing is known: no finding may come from ignorance but the one that a
// container runtime is not there.
func TestNothingKnown(t *testing.T) {
	r := Diagnose(Facts{})
	var bad []string
	for _, f := range r.Findings {
		if f.Severity.Worse(Info) {
			bad = append(bad, f.ID)
		}
	}
	slices.Sort(bad)
	assert.Equal(t, []string{"runtime"}, bad)
	assert.NotEmpty(t, r.Unknown)
}

func FuzzDiagnose(f *testing.F) {
	f.Add("raspberrypi", "5.10.63", "1.6.20", "/dev/zram0", uint64(1<<30), 37)
	f.Fuzz(func(t *testing.T, name, release, runtime, swap string, memory uint64, minor int) {
		facts := Facts{RuntimeVersion: runtime, Kubelet: kubeadm.Version{Major: 1, Minor: minor}, Ask: Ask{NodeName: name,
			KubernetesVersion: release, CRISocket: swap}}
		facts.Host.Names.Hostname = name
		facts.Board.Kernel = hwdetect.Kernel{Release: release, Machine: name}
		facts.Board.MemoryTotal, facts.Board.MemoryAvailable = memory, memory/2
		facts.Host.Swap.On = []host.Swap{{Name: swap}}
		facts.Host.Runtime.Sockets = []host.Socket{{Path: swap, Runtime: "containerd", Answers: true}}
		if err := Text(&bytes.Buffer{}, Diagnose(facts)); err != nil {
			t.Fatal(err)
		}
	})
}

// A change of a file that is none of its kind is an error, and a second one
// changes nothing.
func FuzzChanges(f *testing.F) {
	for _, text := range []string{"", "{}", "{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}", "version = " +
		"2\ndisabled_plugins = [\"cri\"]\n", "net.ipv4.ip_forward = 0\r\n# x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, c := range []Change{
			setExecOpt{"native.cgroupdriver", "systemd"}, setLine{"net.ipv4.ip_forward", "1"}, addLine{"br_netfilter"}, removeTOML{"disabled_plugins", keyOf("cri", "x")},
			setTOML{Key: keyOf("plugins", "cri", "SystemdCgroup"), Value: true, Missing: newContainerdFile},
		} {
			once, err := c.Apply(text)
			if err != nil {
				continue
			}
			if twice, err := c.Apply(once); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%s: %q, then %q: %v", c, once, twice, err)
			}
		}
	})
}
