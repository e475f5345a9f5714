package bootstrap

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// The kubelet keeps a static pod's logs at
// /var/log/pods/kube-system_POD-NODE_UID/CONTAINER/N.log, where N counts the
// container's starts from 0 (pkg/kubelet/kuberuntime/helpers.go); that of v1.13
// at /var/log/pods/UID/CONTAINER/N.log. That makes the folder a witness of
// restarts which needs no API server and no runtime client.

// staticUID is a static pod's UID: the hash of its manifest (applyDefaults in
// pkg/kubelet/config/common.go). Other pods' have dashes.
var staticUID = strings.Repeat("[0-9a-f]", 32)

// podLog is what a component's log folders tell.
type podLog struct {
	// Instances is how many containers of the component were started.
	Instances int
	// Bytes is the size of all its logs.
	Bytes int64
	// Newest is the file of the container started last.
	Newest string
}

// readPodLog looks up the logs of a static pod's container below pods
// (/var/log/pods).
func readPodLog(pods, component string) podLog {
	var l podLog
	var files []string
	for _, pod := range []string{"kube-system_" + component + "-*", staticUID} {
		found, err := filepath.Glob(filepath.Join(pods, pod, component, "*.log"))
		if err != nil {
			return l
		}
		files = append(files, found...)
	}
	type numbered struct {
		path string
		dir  string
		n    int
		mod  int64
	}
	var logs []numbered
	highest := map[string]int{}
	for _, f := range files {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(f), ".log"))
		if err != nil {
			continue
		}
		info, err := os.Stat(f) // follows: docker's are links
		if err != nil {
			continue
		}
		l.Bytes += info.Size()
		dir := filepath.Dir(f)
		logs = append(logs, numbered{f, dir, n, info.ModTime().UnixNano()})
		if h, ok := highest[dir]; !ok || n > h {
			highest[dir] = n
		}
	}
	// The kubelet removes old logs but goes on counting, so the highest number
	// says more than how many files there are.
	for _, n := range highest {
		l.Instances += n + 1
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

// lastLines returns the last n lines of a container log without the runtime's
// prefix ("TIME stream F ", the CRI log format) and at most 16 KiB.
func lastLines(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 16 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
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
