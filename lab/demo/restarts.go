package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// countRestarts is asked of failed runs, too: it needs no API server.
func (d *demo) countRestarts(r *run) error {
	// Where no kubelet has ever run, there is no such folder.
	logs, err := d.onBoard(time.Minute, "sh", "-c", "! test -d /var/log/pods || find /var/log/pods -name '*.log'")
	if err != nil {
		return fmt.Errorf("look at the pods' logs: %w: %s", err, logs)
	}
	r.Restarts = restarts(strings.Fields(logs))
	for _, component := range slices.Sorted(maps.Keys(r.Restarts)) {
		if r.Restarts[component] > 0 {
			r.LastWords = append(r.LastWords, component+" ended, "+d.lastWords(component))
		}
	}
	return nil
}

// lastWordsScript prints the exit code of the container before the one that runs, where
// the API server can be asked for it, and the end of its log.
const lastWordsScript = `
code=$(timeout 60 kubectl --namespace=kube-system get pods --selector=component=$0 \
	-o jsonpath='{.items[*].status.containerStatuses[0].lastState.terminated.exitCode}' 2>/dev/null)
echo "exit code ${code:-unknown}, with these last words:"
log=$(find /var/log/pods -path "*/$0/*.log" | sort -V | tail -n 2 | head -n 1)
tail -n 3 "$log" | cut -c 1-300`

// lastWords says why a component was started again.
func (d *demo) lastWords(component string) string {
	out, err := d.onBoard(5*time.Minute, "sh", "-c", lastWordsScript, component)
	if err != nil {
		out += fmt.Sprintf(" (%v)", err)
	}
	return strings.TrimSpace(out)
}

// staticPodLog is the log folder of a static pod's container; the kubelet of
// v1.13 names the pod by its UID alone, a hash.
var staticPodLog = regexp.MustCompile(`/(kube-system_[^/]+|[0-9a-f]{32})/[^/]+/[^/]+$`)

// restarts counts from the kubelet's log files, N.log for start number N, of
// all pods of a component.
func restarts(logs []string) map[string]int {
	count := map[string]int{"etcd": 0, "kube-apiserver": 0, "kube-controller-manager": 0, "kube-scheduler": 0}
	starts := map[string]int{}
	for _, path := range logs {
		component := filepath.Base(filepath.Dir(path))
		if _, ours := count[component]; ours && staticPodLog.MatchString(path) {
			var n int
			if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &n); err == nil {
				key := filepath.Dir(path)
				if n+1 > starts[key] {
					starts[key] = n + 1
				}
			}
		}
	}
	for dir, n := range starts {
		count[filepath.Base(dir)] += n
	}
	for component, n := range count {
		count[component] = max(0, n-1)
	}
	return count
}
