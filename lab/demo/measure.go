package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// usage is what a board had used at one moment: CPU seconds in all and of its
// living processes by program, bytes that these had written to disks.
type usage struct {
	Name      string             `json:"name"`
	CPU       float64            `json:"cpuSeconds"`
	ByProgram map[string]float64 `json:"cpuSecondsByProgram"`
	Written   int64              `json:"writtenBytes"`
	// Uptime is the board's clock, in seconds; Cores are told of emulated boards.
	Uptime float64 `json:"uptimeSeconds"`
	Cores  int     `json:"cores"`
	// Pace is of a paced board.
	Pace struct {
		Costs []float64 `json:"costs"`
	} `json:"pace"`
}

// allBoards asks lab for the boards that args choose.
func (d *demo) allBoards(args ...string) (all []usage, err error) {
	out, err := exec.Command(d.lab, append([]string{"status", "--json"}, args...)...).Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("lab status: %w", err)
	}
	return all, nil
}

// usage asks lab.
func (d *demo) usage() (usage, error) {
	all, err := d.allBoards("--name", d.board)
	if err != nil {
		return usage{}, err
	}
	for _, u := range all {
		if u.Name == d.board {
			if d.kind == "" {
				u.Uptime = time.Since(d.began).Seconds()
			}
			return u, nil
		}
	}
	return usage{}, fmt.Errorf("lab status: no board %s", d.board)
}

// since returns the CPU seconds used between two moments: in all, and by
// program; "(ended)" are processes that were not there any more.
func (u usage) since(before usage) (float64, map[string]float64) {
	total := u.CPU - before.CPU
	by, living := map[string]float64{}, 0.0
	for program, seconds := range u.ByProgram {
		if used := seconds - before.ByProgram[program]; used > 0 {
			by[program] = used
			living += used
		}
	}
	if rest := total - living; rest > 0.005 {
		by["(ended)"] = rest
	}
	return total, by
}

// idle is the load of a control plane that nobody asks for anything, in
// thousandths of a core.
type idle struct {
	Seconds   float64            `json:"seconds"`
	MilliCPU  float64            `json:"milliCPU"`
	ByProgram map[string]float64 `json:"milliCPUByProgram"`
	// Cores are an emulated board's, 0 of others.
	Cores int `json:"cores,omitempty"`
}

// share is of all cores of an emulated board.
func (i idle) share() float64 {
	if i.Cores == 0 {
		return 0
	}
	return i.MilliCPU / 1000 / float64(i.Cores)
}

// measureIdle waits and measures.
func (d *demo) measureIdle(settle, length time.Duration) (*idle, error) {
	d.say("waiting %s for the board to settle, then measuring its idle load for %s", settle, length)
	before, after, err := d.idling(settle, length)
	if err != nil {
		return nil, err
	}
	i := idle{Seconds: after.Uptime - before.Uptime, Cores: after.Cores}
	total, by := after.since(before)
	i.MilliCPU, i.ByProgram = 1000*total/i.Seconds, by
	for program := range by {
		by[program] *= 1000 / i.Seconds
	}
	return &i, nil
}

// idling returns what the board had used by the beginning and by the end of a time
// in which nobody asked it for anything.
func (d *demo) idling(settle, length time.Duration) (before, after usage, err error) {
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
	out, err := d.onBoard(2*(settle+length)+time.Hour, "sh", "-ec", script, fmt.Sprint(settle.Seconds()), fmt.Sprint(length.Seconds()))
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
		if !strings.HasPrefix(line, "apiserver_request_total{") && !strings.HasPrefix(line, "apiserver_request_count{") {
			continue
		}
		if n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64); err == nil {
			sum += n
		}
	}
	return int64(sum)
}
