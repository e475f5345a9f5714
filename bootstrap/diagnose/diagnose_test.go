package diagnose

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
)

func TestExplain(t *testing.T) {
	const podLog = "/var/log/pods/kube-system_%C-bpi_1/%C/"
	for _, c := range []struct {
		name string
		// files appear during the run, by path; kubelet is the unit's log.
		files   map[string]string
		kubelet string
		want    string
		next    string
	}{
		{name: "killed for want of memory", files: map[string]string{"/proc/vmstat": "nr_free_pages 1\noom_kill 2\n"},
			want: "the kernel killed 2 processes for want of memory during the run", next: "stop what else runs"},
		{name: "killed, with the name", files: map[string]string{"/proc/vmstat": "oom_kill 1\n",
			"/dev/kmsg": "3,881,7,-;old news: I/O error, dev sda\n3,882,8000000,-;Memory cgroup out of memory: Killed " +
				"process 811 (kube-apiserver) total-vm:1kB\n"},
			want: "the kernel killed kube-apiserver for want of memory", next: "stop what else runs"},
		{name: "undervoltage", files: map[string]string{"/dev/kmsg": "4,1,8000000,-;hwmon hwmon1: Undervoltage detected!\n"},
			want: "supply voltage is too low", next: "stronger power supply"},
		{name: "undervoltage by the firmware",
			files: map[string]string{"/sys/devices/platform/soc/soc:firmware/get_throttled": "10000\n"},
			want:  "the firmware saw the supply voltage too low", next: "stronger power supply"},
		{name: "undervoltage by the firmware of a newer kernel",
			files: map[string]string{"/sys/devices/platform/soc@7e000000/soc:firmware/get_throttled": "10000\n"},
			want:  "the firmware saw the supply voltage too low", next: "stronger power supply"},
		{name: "a dying card",
			files: map[string]string{"/dev/kmsg": "3,1,8000000,-;blk_update_request: I/O error, dev mmcblk0, sector 1 op 0x1\n"},
			want:  "errors of the disk mmcblk0", next: "replace it"},
		{name: "no image", kubelet: `E1123 pod_workers.go:1] "Error syncing pod" err="failed to \"StartContainer\" for \"etcd\" with ImagePullBackOff: \"Back-off pulling image \\\"registry.k8s.io/etcd:3.7.0-0\\\"\""`,
			want: "an image cannot be pulled: registry.k8s.io/etcd:3.7.0-0", next: "crictl pull registry.k8s.io/etcd:3.7.0-0"},
		{name: "swap", kubelet: "running with swap on is not supported, please disable swap",
			want: "refuses to run with swap on", next: "swapoff -a"},
		{name: "runtime", kubelet: `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory"`,
			want: "the container runtime does not answer at /run/containerd/containerd.sock", next: "systemctl status containerd"},
		{name: "sockets of runtimes that are not here",
			kubelet: `I1124 19:38:45.402150     250 factory.go:219] Registration of the crio container factory failed: Get "http://%2Fvar%2Frun%2Fcrio%2Fcrio.sock/info": dial unix /var/run/crio/crio.sock: connect: no such file or directory`},
		{name: "a kubelet that ends",
			kubelet: `E1124 19:38:45.482144     250 kubelet.go:1850] "Failed to start ContainerManager" err="failed to write \"0-1\": write /sys/fs/cgroup/cpuset/kubepods/cpuset.cpus: permission denied"`,
			want:    `the kubelet ends by itself: failed to write \"0-1\": write /sys/fs/cgroup/cpuset/kubepods/cpuset.cpus: permission denied`, next: "journalctl -u kubelet"},
		{name: "wrong CPU", kubelet: `exec /usr/local/bin/kube-apiserver: exec format error`, want: "built for another CPU",
			next: "detect"},
		{name: "slow card by etcd", files: map[string]string{strings.ReplaceAll(podLog, "%C", "etcd") +
			"0.log": `2026-11-23T18:00:00Z stderr F {"level":"warn","msg":"slow fdatasync","took":"2.1s"}` + "\n"},
			want: "etcd: etcd says that writing its log to the disk is slow", next: "faster disk"},
		{name: "slow card by the kernel",
			files: map[string]string{"/proc/diskstats": " 179 0 mmcblk0 10 0 0 0 1000 0 0 500000 0 0 0\n 179 1 mmcblk0p1 10 " +
				"0 0 0 1000 0 0 500000 0 0 0\n"},
			want: "a write to the disk took 500 ms on average", next: "faster disk"},
		{name: "the address is gone", files: map[string]string{strings.ReplaceAll(podLog, "%C", "etcd") +
			"0.log": "2026-11-23T18:00:00Z stderr F listen tcp 192.168.1.155:2380: bind: cannot assign requested address\n"},
			want: "etcd cannot listen on its address", next: "address that stands in etcd.yaml"},
		{name: "damaged data", files: map[string]string{strings.ReplaceAll(podLog, "%C", "etcd") +
			"0.log": `2026-11-23T18:00:00Z stderr F {"level":"panic","msg":"failed to load WAL","error":"walpb: crc mismatch"}` + "\n"},
			want: "etcd: etcd's data is damaged", next: "in an upgrade, go back"},
		{name: "disk pressure", kubelet: `I1123 eviction_manager.go:369] "Eviction manager: attempting to reclaim" resourceName="ephemeral-storage"`,
			want: "short of disk space", next: "df -h"},
		{name: "disk pressure in older words", kubelet: `W1123 eviction_manager.go:333] eviction manager: attempting to reclaim ephemeral-storage`,
			want: "short of disk space", next: "df -h"},
		{name: "memory pressure", kubelet: `I1123 eviction_manager.go:380] "Eviction manager: must evict pod(s) to reclaim" resourceName="memory"`,
			want: "short of memory", next: "stop what else runs"},
		{name: "restarts", files: map[string]string{strings.ReplaceAll(podLog, "%C", "kube-apiserver") +
			"3.log": "2026-11-23T18:00:00Z stderr F starting\n"},
			want: "kube-apiserver was started 4 times"},
		{name: "a port is taken", files: map[string]string{strings.ReplaceAll(podLog, "%C", "kube-apiserver") +
			"0.log": "2026-11-23T18:00:00Z stderr F failed to create listener: listen tcp 0.0.0.0:6443: bind: address " +
			"already in use\n"},
			want: "kube-apiserver: its port is taken", next: "ss -ltnp"},
		{name: "quota", files: map[string]string{"/sys/fs/cgroup/cpu.stat": "usage_usec 1\nthrottled_usec 90000000\n"},
			want: "a CPU quota held the board back for 90 s"},
		{name: "hot", files: map[string]string{"/sys/devices/platform/soc/soc:firmware/get_throttled": "0x40000\n"},
			want: "slowed the CPU down", next: "cool the board"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := state.Layout{Root: t.TempDir()}
			boardtest.Put(t, l.At("/proc/uptime"), "7.50 3.00\n")
			before := ReadPressure(l)
			logs := func(unit string) string {
				if unit == "kubelet" {
					return c.kubelet
				}
				return ""
			}
			assert.Empty(t, Explain(l, before, nil, func(string) string { return "" }), "nothing is seen on a calm board")
			for path, text := range c.files {
				boardtest.Put(t, l.At(path), text)
			}
			all := Explain(l, before, nil, logs)
			if c.want == "" {
				require.Empty(t, all)
				return
			}
			require.Len(t, all, 1)
			assert.Contains(t, all[0].What, c.want)
			assert.Contains(t, all[0].Next, c.next)
			if c.next == "" {
				assert.Empty(t, all[0].Next)
			}
		})
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("Failed to pull image \"registry.k8s.io/etcd:3.7.0-0\"", " 179 0 mmcblk0 10 0 0 0 1000 0 0 500000 0 0 0")
	f.Fuzz(func(t *testing.T, log, stats string) {
		field([]byte(stats), "oom_kill")
		for _, clues := range [][]clue{kubeletClues(), etcdClues(), serverClues(), kernelClues()} {
			for _, found := range find(log, clues, "") {
				if strings.ContainsAny(found.What+found.Next, "\n\x1b\x00") {
					t.Fatalf("%q", found)
				}
			}
		}
	})
}

// What a board logs that is only slow explains nothing but that.
func TestHealthyLogs(t *testing.T) {
	for _, c := range []struct {
		log    string
		clues  []clue
		allows []string
	}{
		{"kubelet", kubeletClues(), nil},
		{"kube-apiserver", serverClues(), nil},
		{"etcd", append(etcdClues(), serverClues()...), []string{"put etcd on a faster disk"}},
	} {
		text, err := os.ReadFile("testdata/" + c.log + ".log")
		require.NoError(t, err)
		for _, f := range find(looksAround.ReplaceAllString(string(text), ""), c.clues, "") {
			allowed := func(next string) bool { return strings.HasPrefix(f.Next, next) }
			assert.True(t, slices.ContainsFunc(c.allows, allowed), "%s: %s: %s", c.log, f.What, f.Next)
		}
	}
}
