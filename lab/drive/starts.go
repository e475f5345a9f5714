package drive

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Starts are how often containers of the control plane's components were started, by the folder of their logs.
type Starts map[string]int

// Since counts by component what has been started after earlier was read, which is nil for all. A changed manifest
// makes a new pod, and the kubelet removes the logs of the old one.
func (s Starts) Since(earlier Starts) map[string]int {
	count := map[string]int{"etcd": 0, "kube-apiserver": 0, "kube-controller-manager": 0, "kube-scheduler": 0}
	for dir, n := range s {
		count[filepath.Base(dir)] += n - earlier[dir]
	}
	return count
}

// Starts reads what has been started on the board so far. It asks no API server.
func (b Board) Starts(ctx context.Context) (Starts, error) {
	// Where no kubelet has ever run, there is no such folder.
	logs, err := b.Run(ctx, "sh", "-c", "! test -d /var/log/pods || find /var/log/pods -name '*.log'")
	if err != nil {
		return nil, fmt.Errorf("look at the pods' logs: %w", err)
	}
	return startsOf(strings.Fields(logs)), nil
}

// staticPodLog is the log folder of a static pod's container; the kubelet of
// v1.13 names the pod by its UID alone, a hash.
var staticPodLog = regexp.MustCompile(`/(kube-system_[^/]+|[0-9a-f]{32})/[^/]+/[^/]+$`)

// startsOf counts from the kubelet's log files, N.log for start number N.
func startsOf(logs []string) Starts {
	starts := Starts{}
	for _, path := range logs {
		dir := filepath.Dir(path)
		switch filepath.Base(dir) {
		case "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler":
			var n int
			if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &n); err == nil && staticPodLog.MatchString(path) {
				starts[dir] = max(starts[dir], n+1)
			}
		}
	}
	return starts
}
