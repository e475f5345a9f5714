package bootstrap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A Finding is something seen on the board that may explain a failure.
type Finding struct {
	// What was seen, in one line.
	What string `json:"what"`
	// Next is what to do about it; empty when that is not for the owner to do.
	Next string `json:"next,omitempty"`
}

// pressure is what a board counts from its start on: two of them show what
// happened during a run.
type pressure struct {
	// uptime is the time since the board started, in seconds.
	uptime float64
	// oomKills counts processes that the kernel killed for want of memory.
	oomKills uint64
	// throttled is the time that the board's cgroup was held back, in seconds.
	throttled float64
	// undervoltage and tooHot are what a Raspberry Pi's firmware has seen since the
	// board started.
	undervoltage bool
	tooHot       bool
	disks        linux.DiskTotal
}

// readPressure reads what it can; what a kernel does not tell stays zero.
func (l Layout) readPressure() pressure {
	var p pressure
	p.uptime = linux.Proc(l.Proc()).Uptime()
	p.oomKills = field(read(l.Proc()+"/vmstat"), "oom_kill")
	for _, path := range []string{"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"} {
		text := read(l.at(path))
		p.throttled += float64(field(text, "throttled_usec"))/1e6 + float64(field(text, "throttled_time"))/1e9
	}
	firmware, _ := linux.ReadThrottled(safefile.Root(l.Root).FS(maxFile, maxListed))
	p.undervoltage, p.tooHot = firmware.Since(linux.Undervoltage), firmware.Since(linux.SlowedDown)
	p.disks = linux.ParseDiskWrites(read(l.Proc() + "/diskstats"))
	return p
}

func read(path string) []byte {
	text, err := safefile.Read(path, maxFile)
	if err != nil {
		return nil
	}
	return text
}

// field reads the number after a name at the start of a line, as in
// /proc/vmstat and cgroup files.
func field(text []byte, name string) uint64 {
	for _, line := range bytes.Split(text, []byte{'\n'}) {
		f := strings.Fields(string(line))
		if len(f) == 2 && f[0] == name {
			n, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// slowWrite is the mean time of a write in seconds from which the disk is named:
// etcd wants its log on the disk within 10 ms.
const slowWrite = 0.1

// A clue is a line of a log and what it means on a small board. $1 is the line's
// first group.
type clue struct {
	line       *regexp.Regexp
	what, next string
}

func kubeletClues() []clue {
	return []clue{
		{regexp.MustCompile(`(?:Failed to pull image|ErrImagePull|ImagePullBackOff)[^\n]*?"?((?:[a-z0-9.-]+(?::\d+)?/)+[a-z0-9._-]+:[A-Za-z0-9._-]+)`),
			"an image cannot be pulled: $1", "is there a network, and does that image exist for this CPU? try: crictl pull $1"},
		{regexp.MustCompile(`no space left on device`), "the kubelet or the runtime found the disk full", "make room: df -h /var/lib"},
		{regexp.MustCompile(`(?:DiskPressure|attempting to reclaim ephemeral-storage|must evict pod\(s\) to reclaim)`),
			"the kubelet is short of disk space and evicts pods", "make room: df -h /var/lib; crictl rmi --prune"},
		{regexp.MustCompile(`(?:MemoryPressure|attempting to reclaim memory)`), "the kubelet is short of memory and evicts pods", "stop what else runs on the board, or add swap with failSwapOn: false"},
		{regexp.MustCompile(`running with swap on is not supported`), "the kubelet refuses to run with swap on", "swapoff -a, or failSwapOn: false in the kubelet's configuration"},
		{regexp.MustCompile(`kubelet cgroup driver: \\?"?(\w+)\\?"? is different from`), "kubelet and runtime use different cgroup drivers (the kubelet: $1)", "set SystemdCgroup in /etc/containerd/config.toml alike"},
		{regexp.MustCompile(`(?:failed to connect to|connect:|dial unix)[^\n]*?(/\S+\.sock)[^\n]*(?:no such file|connection refused)`),
			"the container runtime does not answer at $1", "is it running? systemctl status containerd; journalctl -u containerd"},
		{regexp.MustCompile(`Failed to (?:start ContainerManager|run kubelet)" err="((?:[^"\\\n]|\\.){1,200})`), "the kubelet ends by itself: $1", "read what came before it: journalctl -u kubelet"},
		{regexp.MustCompile(`cgroup v1[^\n]*(?:fail|unsupported|not supported)`), "this kubelet wants cgroup v2", "set failCgroupV1: false in the kubelet's configuration, or boot with systemd.unified_cgroup_hierarchy=1"},
		{regexp.MustCompile(`(?:Illegal instruction|exec format error)`), "a container's program was built for another CPU", "use images built for this board: kubeadm-arm detect tells which"},
		{regexp.MustCompile(`failed (liveness|startup) probe, will be restarted`), "the kubelet restarts a component by its $1 probe", "measure again with nothing else running: kubeadm-arm bench"},
	}
}

func etcdClues() []clue {
	return []clue{
		{regexp.MustCompile(`slow fdatasync`), "etcd says that writing its log to the disk is slow", "put etcd on a faster disk: an SSD or a RAID instead of the card"},
		{regexp.MustCompile(`(?:no space left on device|mvcc: database space exceeded)`), "etcd's disk is full", "make room: df -h /var/lib/etcd"},
		{regexp.MustCompile(`apply request took too long`), "etcd's requests take too long", "put etcd on a faster disk: an SSD or a RAID instead of the card"},
		{regexp.MustCompile(`(?:cannot assign requested address|bind: cannot assign)`), "etcd cannot listen on its address: the board has lost it", "give the board the address that stands in etcd.yaml again"},
		{regexp.MustCompile(`(?:wal: crc mismatch|snap: crc mismatch|corrupt)`), "etcd's data is damaged", "start afresh: kubeadm-arm reset"},
	}
}

func serverClues() []clue {
	return []clue{
		{regexp.MustCompile(`bind: address already in use`), "its port is taken by another program", "look which one: ss -ltnp"},
		{regexp.MustCompile(`(?:certificate has expired or is not yet valid)`), "a certificate is not valid now: is the clock right?", "look at the clock: timedatectl"},
		{regexp.MustCompile(`(?:cannot allocate memory|out of memory)`), "it could not get memory", "stop what else runs on the board, or add swap with failSwapOn: false"},
	}
}

func kernelClues() []clue {
	return []clue{
		{regexp.MustCompile(`[Oo]ut of memory: Killed process \d+ \(([^)]+)\)`), "the kernel killed $1 for want of memory", "stop what else runs on the board, or add swap with failSwapOn: false"},
		{regexp.MustCompile(`(?i)under-?voltage detected`), "the board's supply voltage is too low", "use a stronger power supply and a short cable"},
		{regexp.MustCompile(`(?:I/O error, dev (\w+)|EXT4-fs error \(device (\w+)\))`), "the kernel reports errors of the disk $1$2", "the card or disk is dying: replace it"},
		{regexp.MustCompile(`Remounting filesystem read-only`), "a file system was made read-only after errors", "the card or disk is dying: replace it"},
	}
}

// looksAround are lines of the kubelet's cAdvisor, which tries the sockets of all
// runtimes that it knows, also of those that the board does not have.
var looksAround = regexp.MustCompile(`(?m)^.*container factory.*$`)

// find returns the first match of each clue.
func find(text string, clues []clue, about string) []Finding {
	var all []Finding
	seen := map[string]bool{}
	for _, c := range clues {
		at := c.line.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		f := Finding{
			What: oneLine(about + string(c.line.ExpandString(nil, c.what, text, at))),
			Next: oneLine(string(c.line.ExpandString(nil, c.next, text, at))),
		}
		if !seen[f.What] {
			seen[f.What] = true
			all = append(all, f)
		}
	}
	return all
}

// explain looks for what may have made a run fail, the most telling first.
// logsBefore is a journal's; logs returns the last lines of a systemd unit's log and may be nil.
func (l Layout) explain(before pressure, logsBefore map[string]int, logs func(unit string) string) []Finding {
	var all []Finding
	now := l.readPressure()
	kernel := find(l.kernelLog(before.uptime), kernelClues(), "")
	if n := now.oomKills - before.oomKills; now.oomKills > before.oomKills {
		told := false
		for _, f := range kernel {
			told = told || strings.Contains(f.What, "want of memory")
		}
		if !told {
			all = append(all, Finding{fmt.Sprintf("the kernel killed %d processes for want of memory during the run", n), "stop what else runs on the board, or add swap with failSwapOn: false"})
		}
	}
	all = append(all, kernel...)
	if now.undervoltage {
		all = append(all, Finding{"the firmware saw the supply voltage too low since the board's start", "use a stronger power supply and a short cable"})
	}
	if logs != nil {
		all = append(all, find(looksAround.ReplaceAllString(logs("kubelet"), ""), kubeletClues(), "")...)
		all = append(all, find(logs("containerd"), kubeletClues()[:2], "")...)
	}
	for _, c := range plan.Components() {
		log := readPodLog(l.PodLogs(), c, logsBefore)
		clues := serverClues()
		if c == plan.Etcd {
			clues = append(etcdClues(), clues...)
		}
		if log.Newest != "" {
			all = append(all, find(strings.Join(lastLines(log.Newest, 200), "\n"), clues, c+": ")...)
		}
		if log.Instances > 1 {
			all = append(all, Finding{What: fmt.Sprintf("%s was started %d times", c, log.Instances)})
		}
	}
	if n := now.disks.Writes - before.disks.Writes; now.disks.Writes > before.disks.Writes && n >= 100 {
		if mean := (now.disks.Seconds - before.disks.Seconds) / float64(n); mean > slowWrite {
			all = append(all, Finding{fmt.Sprintf("a write to the disk took %.0f ms on average", mean*1000), "put etcd on a faster disk: an SSD or a RAID instead of the card"})
		}
	}
	if now.tooHot {
		all = append(all, Finding{"the firmware slowed the CPU down since the board's start: too hot, or too little power", "cool the board, or use a stronger power supply"})
	}
	if s := now.throttled - before.throttled; s > 1 {
		all = append(all, Finding{What: fmt.Sprintf("a CPU quota held the board back for %.0f s", s)})
	}
	return all
}

// kernelLog reads the kernel's ring buffer without waiting for more, from a time
// after the board's start on, in seconds (Documentation/ABI/testing/dev-kmsg: one
// record a read, "priority,number,microseconds,flags;text").
func (l Layout) kernelLog(from float64) string {
	fd, err := syscall.Open(l.at("/dev/kmsg"), syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var all bytes.Buffer
	buffer := make([]byte, 8192)
	for all.Len() < 1<<20 {
		n, err := syscall.Read(fd, buffer)
		if err == syscall.EPIPE {
			continue // records were overwritten meanwhile
		}
		if n <= 0 || err != nil {
			break
		}
		for _, record := range bytes.Split(buffer[:n], []byte{'\n'}) {
			f := bytes.SplitN(record, []byte{','}, 4)
			if len(f) < 4 {
				continue // a record's further lines
			}
			if us, err := strconv.ParseFloat(string(f[2]), 64); err == nil && us/1e6 >= from {
				all.Write(append(record, '\n'))
			}
		}
	}
	return all.String()
}

// apiServerLog is what the API server said last, for a failure of kubeadm that
// talks to it.
func (l Layout) apiServerLog(logsBefore map[string]int) (lines []string, path string) {
	log := readPodLog(l.PodLogs(), plan.APIServer, logsBefore)
	if log.Newest == "" {
		return nil, ""
	}
	lines = lastLines(log.Newest, 8)
	for i, line := range lines {
		lines[i] = oneLine(Redact(line))
	}
	return lines, filepath.Clean(log.Newest)
}
