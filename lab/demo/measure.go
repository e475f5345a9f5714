package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// usage asks lab. What lab does not know, the board's clock, is this machine's there.
func (d *demo) usage() (drive.Usage, error) {
	u, err := d.board.Status(context.Background())
	if d.kind == "" {
		u.Uptime = time.Since(d.log.Began()).Seconds()
	}
	return u, err
}

// idle is the load of a control plane that nobody asks for anything, in
// thousandths of a core.
type idle struct {
	Seconds   float64            `json:"seconds"`
	MilliCPU  float64            `json:"milliCPU"`
	ByProgram map[string]float64 `json:"milliCPUByProgram"`
	// Cores are an emulated board's, 0 of others.
	Cores int `json:"cores,omitempty"`
	// Memory is the proportional set size in MB of all processes of a program: what
	// several of them share is counted once.
	Memory map[string]float64 `json:"memoryMBByProgram,omitempty"`
}

// share is of all cores of an emulated board.
func (i idle) share() float64 {
	if i.Cores == 0 {
		return 0
	}
	return i.MilliCPU / 1000 / float64(i.Cores)
}

// megabytes are those of all programs.
func (i idle) megabytes() float64 {
	sum := 0.0
	for _, mb := range i.Memory {
		sum += mb
	}
	return sum
}

// measureIdle waits and measures.
func (d *demo) measureIdle(settle, length time.Duration) (*idle, error) {
	if err := d.admitPods(); err != nil {
		return nil, err
	}
	d.log.Printf("waiting %s for the board to settle, then measuring its idle load for %s", settle, length)
	before, after, err := d.idling(settle, length)
	if err != nil {
		return nil, err
	}
	memory, err := d.memory()
	if err != nil {
		return nil, err
	}
	i := idle{Seconds: after.Uptime - before.Uptime, Cores: after.Cores, Memory: memory}
	total, by := after.Since(before)
	i.MilliCPU, i.ByProgram = 1000*total/i.Seconds, by
	for program := range by {
		by[program] *= 1000 / i.Seconds
	}
	return &i, nil
}

// admitPods lets the only node run all pods, since without CoreDNS no cluster is idle: it
// is waiting. The taint had another name up to v1.23.
func (d *demo) admitPods() error {
	const script = `for role in control-plane master; do
out=$(kubectl taint nodes --all node-role.kubernetes.io/$role- 2>&1) && continue
case $out in *"not found"*) ;; *) echo "$out"; exit 1;; esac; done`
	if out, err := d.onBoard(10*time.Minute, "sh", "-c", script); err != nil {
		return fmt.Errorf("remove the taint of the node: %w: %s", err, out)
	}
	return nil
}

// memory asks the kernel for the proportional set size of every process; threads of the
// kernel have none (proc_pid_smaps(5)). The fourth word is kB.
func (d *demo) memory() (map[string]float64, error) {
	const script = `for p in /proc/[0-9]*; do
read -r name 2>/dev/null < $p/comm && kb=$(grep ^Pss: $p/smaps_rollup 2>/dev/null) && echo $kb $name; done; true`
	out, err := d.onBoard(5*time.Minute, "sh", "-c", script)
	if err != nil {
		return nil, fmt.Errorf("read the board's memory: %w: %s", err, out)
	}
	return parseMemory(out)
}

// parseMemory adds up lines such as "Pss: 36120 kB kube-apiserver" by program, in MB.
func parseMemory(lines string) (map[string]float64, error) {
	by := map[string]float64{}
	for line := range strings.Lines(lines) {
		var kb float64
		var program string
		if _, err := fmt.Sscanf(line, "Pss: %g kB %s", &kb, &program); err != nil {
			return nil, fmt.Errorf("read the board's memory: %q", line)
		}
		by[program] += kb * 1024 / 1e6
	}
	return by, nil
}

// idling returns what the board had used by the beginning and by the end of a time
// in which nobody asked it for anything.
func (d *demo) idling(settle, length time.Duration) (before, after drive.Usage, err error) {
	if d.kind == "" {
		time.Sleep(settle)
		if before, err = d.usage(); err != nil {
			return before, after, err
		}
		time.Sleep(length)
		after, err = d.usage()
		return before, after, err
	}
	const script = `sleep $0; /usr/lib/lab/guest usage; sleep $1; /usr/lib/lab/guest usage`
	out, err := d.onBoard(2*(settle+length)+time.Hour, "sh", "-ec", script, fmt.Sprint(settle.Seconds()),
		fmt.Sprint(length.Seconds()))
	if err != nil {
		return before, after, fmt.Errorf("measure the idle load: %w: %s", err, out)
	}
	lines := json.NewDecoder(strings.NewReader(out))
	if err := errors.Join(lines.Decode(&before), lines.Decode(&after)); err != nil {
		return before, after, fmt.Errorf("read the idle load: %w: %s", err, out)
	}
	return before, after, nil
}

// connections are the TCP connections opened on the board so far; in a control
// plane nearly each begins with a TLS handshake (proc_pid_net(5), snmp).
func (d *demo) connections() (int64, error) {
	out, err := d.onBoard(5*time.Minute, "cat", "/proc/net/snmp")
	if err != nil {
		return 0, fmt.Errorf("count the board's connections: %w: %s", err, out)
	}
	return parseActiveOpens(out)
}

// parseActiveOpens reads Tcp ActiveOpens of /proc/net/snmp: a line of names, a
// line of numbers.
func parseActiveOpens(snmp string) (int64, error) {
	var names []string
	for _, line := range strings.Split(snmp, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, name := range names {
			if name == "ActiveOpens" && i < len(f) {
				return strconv.ParseInt(f[i], 10, 64)
			}
		}
	}
	return 0, errors.New("read /proc/net/snmp: no ActiveOpens of Tcp")
}

// requests are the API requests served so far, by the API server's own count.
func (d *demo) requests() (int64, error) {
	out, err := d.onBoard(10*time.Minute, "kubectl", "get", "--raw", "/metrics")
	if err != nil {
		return 0, fmt.Errorf("ask for the API server's metrics: %w", err)
	}
	return parseRequests(out), nil
}

// parseRequests sums apiserver_request_total in Prometheus' text format, which
// was called apiserver_request_count before Kubernetes v1.14.
func parseRequests(metrics string) int64 {
	sum := 0.0
	for _, line := range strings.Split(metrics, "\n") {
		if !strings.HasPrefix(line, "apiserver_request_total{") &&
			!strings.HasPrefix(line, "apiserver_request_count{") {
			continue
		}
		if n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64); err == nil {
			sum += n
		}
	}
	return int64(sum)
}
