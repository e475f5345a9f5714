// Package podlog reads what the kubelet's log files show of a static pod: how often its
// container was started, how much it has written, and its last lines. It needs no API
// server and no runtime client.
package podlog

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// The kubelet keeps a static pod's logs at
// /var/log/pods/kube-system_POD-NODE_UID/CONTAINER/N.log, where N counts the
// container's starts from 0 (pkg/kubelet/kuberuntime/helpers.go); that of v1.13
// at /var/log/pods/UID/CONTAINER/N.log. So the folder shows
// restarts without an API server or a runtime client.

// podFolder reports whether a folder is that of a component's static pod. The old
// kubelet's is its UID: the hash of its manifest (applyDefaults in
// pkg/kubelet/config/common.go). Other pods' have dashes.
func podFolder(name, component string) bool {
	if pod, ok := strings.CutPrefix(name, "kube-system_"); ok {
		return strings.HasPrefix(pod, component+"-")
	}
	return len(name) == 32 && strings.Trim(name, "0123456789abcdef") == ""
}

// Log is what a component's log folders show.
type Log struct {
	// Instances is how many containers of the component were started.
	Instances int
	// Bytes is the size of all its logs.
	Bytes int64
	// Newest is the file of the container started last.
	Newest string
	// next is each folder's number for the next container, by pod and component.
	next map[string]int
}

// Next is the number that each folder of a component's logs has for its
// next container: what reset leaves of an earlier control plane, and the kubelet
// removes later.
func Next(pods string) map[string]int {
	next := map[string]int{}
	for _, c := range plan.Components() {
		maps.Copy(next, Read(pods, c, nil).next)
	}
	return next
}

// mostStarts is a number of starts that no container reaches: one a second for thirty
// years.
const mostStarts = 1e9

// Read looks up the logs of a static pod's container below pods
// (/var/log/pods), but for those of an earlier control plane: the ones with a
// lower number than from has for their folder.
func Read(pods, component string, from map[string]int) Log {
	type numbered struct {
		path string
		dir  string
		n    int
		mod  int64
	}
	var logs []numbered
	l := Log{next: map[string]int{}}
	for _, pod := range linux.Names(pods) {
		if !podFolder(pod, component) {
			continue
		}
		at := filepath.Join(pod, component)
		dir := filepath.Join(pods, at)
		for _, name := range linux.Names(dir) {
			number, isLog := strings.CutSuffix(name, ".log")
			n, err := strconv.Atoi(number)
			if !isLog || err != nil || n < from[at] || n > mostStarts {
				continue
			}
			f := filepath.Join(dir, name)
			info, err := os.Stat(f) // follows: docker's are links
			if err != nil {
				continue
			}
			l.Bytes += info.Size()
			logs = append(logs, numbered{f, dir, n, info.ModTime().UnixNano()})
			// The kubelet removes old logs but goes on counting, so the highest
			// number says more than how many files there are.
			l.next[at] = max(l.next[at], n+1)
		}
	}
	for at, next := range l.next {
		l.Instances += next - from[at]
	}
	sort.Slice(logs, func(i, j int) bool {
		if logs[i].dir != logs[j].dir {
			return logs[i].mod < logs[j].mod
		}
		return logs[i].n < logs[j].n
	})
	if len(logs) > 0 {
		l.Newest = logs[len(logs)-1].path
	}
	return l
}

// LastLines returns the last n lines of a container log without the runtime's
// prefix ("TIME stream F ", the CRI log format) and at most 16 KiB.
func LastLines(path string, n int) []string {
	text, err := safefile.Tail(path, 16<<10)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(bytes.ToValidUTF8(text, []byte("?"))), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, l := range lines {
		parts := strings.SplitN(l, " ", 4)
		if len(parts) == 4 && (parts[1] == "stdout" || parts[1] == "stderr") {
			lines[i] = parts[3]
		}
	}
	return lines
}
