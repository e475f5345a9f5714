package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

const stock, kubeadmArm = "stock", "kubeadm-arm"

// trial is one cluster and how boards joined it. Times are seconds of this machine,
// or of the emulated board that it ran in.
type trial struct {
	Tool    string `json:"tool"`
	Version string `json:"kubernetes"`
	First   string `json:"first"`
	Others  string `json:"others"`
	Period  string `json:"period"`
	HA      bool   `json:"ha"`
	// Clock is the speed of the emulated board with counted time that all boards were in.
	Clock string  `json:"clock,omitempty"`
	Init  float64 `json:"initSeconds"`
	Joins []join  `json:"joins"`
	// Failed is the first thing that went wrong.
	Failed string `json:"failed,omitempty"`
	// Answered are what pods were asked and answered.
	Answered []string `json:"answered,omitempty"`
	// Voters are etcd's members with a vote at the end.
	Voters int `json:"voters,omitempty"`
	// Left is the board that was reset after that, and whose member is gone.
	Left string `json:"left,omitempty"`
}

// join is one board's.
type join struct {
	Board string `json:"board"`
	// Seconds are those of the command, ReadySeconds those to a Ready node.
	Seconds      float64 `json:"seconds"`
	ReadySeconds float64 `json:"readySeconds"`
	// CPUSeconds are what the joining board had used by then, FirstCPUSeconds the first.
	CPUSeconds      float64 `json:"cpuSeconds"`
	FirstCPUSeconds float64 `json:"firstCPUSeconds"`
	// Restarts are of the joining board's components and kubelet, FirstRestarts those of
	// the first board in the meantime.
	Restarts      map[string]int `json:"restarts"`
	FirstRestarts map[string]int `json:"firstRestarts"`
	Failed        string         `json:"failed,omitempty"`
}

// cluster is the boards of a trial.
type cluster struct {
	*settings
	*trial
	log    drive.Log
	boards []drive.Board
}

// once makes the boards, has one init and the others join, and takes them down. Its error
// is lab's; what the tools could not do is in the trial.
func (c *cluster) once(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, c.lab.DownAll(ctx, c.name+"-")) }()
	if err := c.up(ctx); err != nil {
		return err
	}
	begin := time.Now()
	first := c.boards[0]
	c.log.Printf("init")
	init := c.program() + " init --config " + drive.KubeadmConfig + ignored
	if out, err := c.on(ctx, first, init+"\n"+c.ready(first)); err != nil {
		c.fail("init", out, err)
		return nil
	}
	c.Init = time.Since(begin).Seconds()
	c.log.Printf("init: Ready after %.0f s", c.Init)
	if err := first.Throttle(ctx, "--cpu", c.First); err != nil {
		return err
	}
	for _, b := range c.boards[1:] {
		j := c.join(ctx, b)
		c.Joins = append(c.Joins, j)
		if j.Failed != "" {
			c.Failed = b.Name + ": " + j.Failed
			c.log.Printf("%s", c.Failed)
			return nil
		}
	}
	if err := c.together(ctx); err != nil {
		c.Failed = err.Error()
		c.log.Printf("%s", c.Failed)
	}
	return nil
}

// up makes the boards.
func (c *cluster) up(ctx context.Context) error {
	n := 2
	if c.ha {
		n = 3
	}
	for i := range n {
		b := c.lab.Board(fmt.Sprintf("%s-%d", c.name, i+1))
		share := c.init
		if i > 0 {
			share = c.Others
		}
		flags := []string{"--network", c.name, "--kubernetes", c.Version, "--cpu", share, "--period", c.Period}
		if c.Tool == kubeadmArm {
			flags = append(flags, "--bin", c.kubeadmArm)
		}
		if c.ha {
			flags = append(flags, "--endpoint")
		}
		if err := b.Up(ctx, flags...); err != nil {
			return err
		}
		c.boards = append(c.boards, b)
	}
	return nil
}

func (c *cluster) program() string {
	if c.Tool == stock {
		return "kubeadm"
	}
	return "kubeadm-arm"
}

// ignored are preflight checks: one knows no newer kernels, or no cgroup v1 any more; an
// emulated board with counted time has one core.
const ignored = " --ignore-preflight-errors=SystemVerification,NumCPU"

// on runs a script on a board, for at most the limit. Both outputs come back.
func (c *cluster) on(ctx context.Context, b drive.Board, script string) (string, error) {
	ctx, end := context.WithTimeout(ctx, c.limit)
	defer end()
	var out bytes.Buffer
	cmd := b.Command(ctx, nil, "bash", "-ec", script)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not within %s", c.limit)
	}
	return out.String(), err
}

// ready is a script on a board with a control plane that waits for a node to be Ready: as
// the API server says, and by a lease that its kubelet has renewed since now.
func (c *cluster) ready(b drive.Board) string {
	return fmt.Sprintf(`since=$(date +%%s); export KUBECONFIG=/etc/kubernetes/admin.conf
until renewed=$(kubectl get lease -n kube-node-lease %[1]s -o 'jsonpath={.spec.renewTime}' 2>/dev/null) && test -n "$renewed" &&
	test "$(date -d "$renewed" +%%s)" -ge "$since" &&
	test "$(kubectl get node %[1]s -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True
do sleep 2; done`, b.Name)
}

// join has one board join.
func (c *cluster) join(ctx context.Context, b drive.Board) (j join) {
	j.Board = b.Name
	first := c.boards[0]
	// The command is the first board's, made as an owner would.
	script := "kubeadm token create --print-join-command 2>/dev/null\n"
	if c.ha {
		script += "kubeadm init phase upload-certs --upload-certs --config " + drive.KubeadmConfig +
			" 2>/dev/null | tail -1\n"
	}
	out, err := c.on(ctx, first, "export KUBECONFIG=/etc/kubernetes/admin.conf\n"+script)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || !strings.HasPrefix(lines[0], "kubeadm join") {
		j.Failed = fmt.Sprintf("make the join command: %v: %s", err, reason(out))
		return j
	}
	command := strings.Replace(strings.TrimSpace(lines[0]), "kubeadm", c.program(), 1) + ignored
	if c.ha {
		command += " --control-plane --certificate-key " + lines[len(lines)-1]
	}
	before, errBefore := first.Starts(ctx)
	usedBefore, errUsed := first.Status(ctx)
	if err := errors.Join(errBefore, errUsed); err != nil {
		j.Failed = err.Error()
		return j
	}
	begin := time.Now()
	c.log.Printf("%s joins", b.Name)
	out, err = c.on(ctx, b, command)
	j.Seconds = time.Since(begin).Seconds()
	if err != nil {
		j.Failed = reason(out)
		keepOutput(b.Name, out)
	} else if out, err = c.on(ctx, first, c.ready(b)); err != nil {
		j.Failed = fmt.Sprintf("its node does not become Ready: %v: %s", err, reason(out))
	} else {
		j.ReadySeconds = time.Since(begin).Seconds()
	}
	err = c.count(ctx, b, &j, before, usedBefore)
	if err != nil && j.Failed == "" {
		j.Failed = err.Error()
	}
	c.log.Printf("%s: command %.0f s, Ready after %.0f s, restarts %v, of the first board %v", b.Name, j.Seconds,
		j.ReadySeconds, j.Restarts, j.FirstRestarts)
	return j
}

// count notes what a join has used, and what was started again.
func (c *cluster) count(ctx context.Context, b drive.Board, j *join, before drive.Starts, used drive.Usage) error {
	first := c.boards[0]
	after, err := first.Starts(ctx)
	if err != nil {
		return err
	}
	j.FirstRestarts = map[string]int{}
	for component, n := range after.Since(before) {
		if n > 0 {
			j.FirstRestarts[component] = n
		}
	}
	own, err := b.Starts(ctx)
	if err != nil {
		return err
	}
	j.Restarts = map[string]int{}
	for component, n := range own.Since(nil) {
		if n > 1 {
			j.Restarts[component] = n - 1
		}
	}
	out, err := b.Run(ctx, "systemctl", "show", "-p", "NRestarts", "--value", "kubelet")
	if err != nil {
		return err
	}
	if j.Restarts["kubelet"], err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		return fmt.Errorf("ask for the kubelet's restarts: %w", err)
	}
	now, errNow := b.Status(ctx)
	firstNow, errFirst := first.Status(ctx)
	if err := errors.Join(errNow, errFirst); err != nil {
		return err
	}
	j.CPUSeconds, j.FirstCPUSeconds = now.CPU, firstNow.CPU-used.CPU
	return nil
}

// fail notes why a tool failed.
func (c *cluster) fail(what, out string, err error) {
	keepOutput(c.name+"-"+what, out)
	c.Failed = fmt.Sprintf("%s: %v: %s", what, err, reason(out))
	c.log.Printf("%s", c.Failed)
}

// keepOutput leaves what a failed command said where it can be read.
func keepOutput(name, out string) {
	if f, err := os.CreateTemp("", name+"-*.log"); err == nil {
		_, _ = f.WriteString(out)
		_ = f.Close()
		fmt.Fprintln(os.Stderr, "join: the command's whole output is in", f.Name())
	}
}

// secrets are tokens and certificate keys.
var secrets = regexp.MustCompile(`\b([a-z0-9]{6}\.[a-z0-9]{16}|[0-9a-f]{64})\b`)

// reason is the line of an output that says why.
func reason(out string) string {
	lines := strings.Split(strings.TrimSpace(secrets.ReplaceAllString(out, "…")), "\n")
	for _, prefix := range []string{"[ERROR ", "error: ", "error execution phase", "kubeadm-arm: "} {
		for _, l := range lines {
			if l = strings.TrimSpace(l); strings.HasPrefix(l, prefix) {
				return l
			}
		}
	}
	return lines[len(lines)-1]
}
