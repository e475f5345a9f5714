package drive

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Starts is how often containers of the control plane's components were started on the
// board so far. It asks no API server.
func (b Board) Starts(ctx context.Context) (map[string]int, error) {
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

// startsOf counts from the kubelet's log files, N.log for start number N, of
// all pods of a component.
func startsOf(logs []string) map[string]int {
	count := map[string]int{"etcd": 0, "kube-apiserver": 0, "kube-controller-manager": 0, "kube-scheduler": 0}
	starts := map[string]int{}
	for _, path := range logs {
		component := filepath.Base(filepath.Dir(path))
		if _, ours := count[component]; ours && staticPodLog.MatchString(path) {
			var n int
			if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &n); err == nil {
				key := filepath.Dir(path)
				starts[key] = max(starts[key], n+1)
			}
		}
	}
	for dir, n := range starts {
		count[filepath.Base(dir)] += n
	}
	return count
}
