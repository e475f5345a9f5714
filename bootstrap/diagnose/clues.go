package diagnose

import (
	"regexp"
)

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
		// The names of conditions stand in each status that could not be sent; events and evictions tell (eviction_manager.go).
		{regexp.MustCompile(`(?:NodeHasDiskPressure|to reclaim(?:" resourceName=")? ?"?(?:ephemeral-storage|inodes))`),
			"the kubelet is short of disk space and evicts pods", "make room: df -h /var/lib; crictl rmi --prune"},
		{regexp.MustCompile(`(?:NodeHasInsufficientMemory|to reclaim(?:" resourceName=")? ?"?memory)`), "the kubelet is short of memory and evicts pods", "stop what else runs on the board, or add swap with failSwapOn: false"},
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
		// The word alone stands in each start: "initial-corrupt-check", "corrupt.go".
		{regexp.MustCompile(`(?:(?:wal|walpb|snap): crc mismatch|alarm:CORRUPT|corrupt cluster|data inconsistency|invalid database|checksum error|database is corrupt)`), "etcd's data is damaged", "in an upgrade, go back: kubeadm-arm abort; else start afresh: kubeadm-arm reset"},
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
