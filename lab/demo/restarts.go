package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// countRestarts is asked of failed runs, too: it needs no API server.
func (d *demo) countRestarts(r *run) error {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	starts, err := d.board.Starts(ctx)
	if err != nil {
		return err
	}
	r.Restarts = map[string]int{}
	for component, n := range starts.Since(nil) {
		r.Restarts[component] = max(0, n-1)
	}
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
