package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

// A CPU does less work in short slices than in one go: after each pause its
// caches are cold, and on a virtual machine the host has turned to others
// meanwhile. In slices of 5 ms the same work costs a tenth more CPU time on a
// quiet host; on busy ones twice to ten times as much was seen, changing within
// minutes. A paced board is given so much more CPU time that the work it gets
// done is that of its share: a piece of work is measured again and again, at full
// speed and in a group of its own that has the board's quota.

const (
	// paceEvery is the time between two measurements.
	paceEvery = 10 * time.Second
	// paceSmooth is how many measurements' median counts.
	paceSmooth = 3
	// paceWhole is how often each of them looks at full speed.
	paceWhole = 2
)

// pace is what is known of a paced board, kept in its folder as pace.json.
type pace struct {
	// Whole is the least CPU time that the piece of work took at full speed, in
	// seconds. What is measured in a bad second, as when a board starts, is too much,
	// and the board would be as much too slow for as long as it is up.
	Whole float64 `json:"wholeSeconds"`
	// Costs are how many times that it took in the board's slices, the newest last.
	Costs []float64 `json:"costs"`
	// Quota is what the board has now, in cores.
	Quota float64 `json:"quota"`
}

// wholly notes what the piece of work took at full speed.
func (p *pace) wholly(seconds float64) {
	if p.Whole == 0 {
		p.Whole = seconds
	}
	if seconds <= 0 || seconds >= p.Whole {
		return
	}
	for i := range p.Costs {
		p.Costs[i] *= p.Whole / seconds
	}
	p.Whole = seconds
}

// take notes what the piece of work took in the board's slices and returns what
// quota, in cores, makes the board's work that of its share.
func (p *pace) take(seconds, share float64) float64 {
	p.Costs = append(p.Costs, seconds/p.Whole)
	cost := median(p.Costs[max(0, len(p.Costs)-paceSmooth):])
	p.Quota = min(max(share*cost, share), max(share, cgroup.FullCore))
	return p.Quota
}

// median of at least one number.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// pacer measures for one board.
type pacer struct {
	b      *Board
	groups cgroup.Groups // the board's
	own    cgroup.Groups // of the piece of work
	pace   pace
}

// paceGroups are a board's groups for the piece of work. A board's name has no
// dot.
func paceGroups(board string) (cgroup.Groups, error) { return cgroup.Find(board + ".pace") }

// paceFile is in the board's folder.
const paceFile = "pace.json"

func (b *Board) newPacer() (*pacer, error) {
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return nil, err
	}
	own, err := paceGroups(b.Name)
	if err != nil {
		return nil, err
	}
	return &pacer{b: b, groups: groups, own: own}, own.Create()
}

// work does the piece of work with a quota, in cores, and returns its CPU time in
// seconds. The start of an API server that only prints its flags is of the kind
// that the board's own work is: much code, allocation, pages touched once.
func (p *pacer) work(ctx context.Context, quota float64) (float64, error) {
	if err := p.own.Limit(cgroup.Limits{CPU: quota, Period: p.b.Limits.Period}); err != nil {
		return 0, err
	}
	programs, err := cache.Folder("programs", kube.Target{Version: p.b.Version, Arch: runtime.GOARCH}.String())
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `read -r go; exec "$0" --help >/dev/null`,
		filepath.Join(programs, "kube-apiserver"))
	start, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("measure the pace: %w", err)
	}
	err = p.own.Enter(cmd.Process.Pid)
	if err == nil {
		_, err = start.Write([]byte("go\n"))
	}
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return 0, fmt.Errorf("measure the pace: %w", err)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// begin measures at full speed and then in the board's slices, and limits the
// board.
func (p *pacer) begin(ctx context.Context) error {
	p.pace = pace{Quota: p.b.Limits.CPU}
	for range paceSmooth {
		if err := p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step measures once and limits the board.
func (p *pacer) step(ctx context.Context) error {
	l := p.b.Limits
	if !l.Sliced() {
		return nil
	}
	for range paceWhole {
		seconds, err := p.work(ctx, 0)
		if err != nil {
			return err
		}
		p.pace.wholly(seconds)
	}
	seconds, err := p.work(ctx, min(max(p.pace.Quota, l.CPU), cgroup.FullCore))
	if err != nil {
		return err
	}
	l.CPU = p.pace.take(seconds, l.CPU)
	if err := p.groups.Limit(l); err != nil {
		return err
	}
	text, err := json.Marshal(p.pace)
	if err != nil {
		return err
	}
	return cache.Replace(filepath.Join(p.b.Dir, paceFile),
		func(to string) error { return os.WriteFile(to, text, 0o644) })
}

// readPace is what is known of a board's pace; of one that is not paced nothing.
func (b *Board) readPace() (*pace, error) {
	text, err := os.ReadFile(filepath.Join(b.Dir, paceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var p pace
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return nil, fmt.Errorf("read the pace of board %s: %w", b.Name, err)
	}
	return &p, nil
}

// startPacer leaves a process behind that paces the board until the board is
// taken down.
func (b *Board) startPacer() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, "pacer", b.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("pace the board: %w", err)
	}
	b.Pacer = ProcessOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	return b.Save()
}

// endPacer ends that process and takes its groups away.
func (b *Board) endPacer() error {
	own, err := paceGroups(b.Name)
	if err != nil {
		return err
	}
	if err := endAll(b.Pacer, own, time.Now().Add(time.Minute)); err != nil {
		return fmt.Errorf("end what paces board %s: %w", b.Name, err)
	}
	return own.Remove()
}

// RunPacer paces the board whose folder is named, until that is gone.
func RunPacer(args []string) error {
	if len(args) != 1 {
		return errors.New("pacer: want a board's folder")
	}
	b, err := Read(args[0])
	if err != nil {
		return err
	}
	p, err := b.newPacer()
	if err != nil {
		return err
	}
	known, err := b.readPace()
	if err != nil || known == nil {
		return errors.Join(err, fmt.Errorf("board %s was not paced from its start", b.Name))
	}
	p.pace = *known
	for {
		time.Sleep(paceEvery)
		// lab throttle may have changed the share.
		if p.b, err = Read(args[0]); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if err := p.step(context.Background()); err != nil {
			return err
		}
	}
}

// String describes the cost.
func (p pace) String() string {
	return fmt.Sprintf("paced: %.3g %% of a core do it, work in slices costs %.3g times as much here", p.Quota*100,
		median(p.Costs[max(0, len(p.Costs)-paceSmooth):]))
}
