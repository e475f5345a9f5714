// Command upgrade upgrades the control plane of equal boards by unmodified kubeadm and by
// kubeadm-arm, and compares: outcome, times, containers started, seconds without an API
// server, and whether all objects are there afterwards.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// settings are the command line.
type settings struct {
	lab, program, bench, from, to, cpu, results string
	tools                                       []string
	limit                                       time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.lab, "lab", "bin/lab", "the program lab")
	flag.StringVar(&s.program, "kubeadm-arm", "bin/kubeadm-arm", "the program kubeadm-arm")
	flag.StringVar(&s.bench, "bench", "", "benchmark `file` that kubeadm-arm plans by; empty has it measure")
	flag.StringVar(&s.from, "from", "v1.36.3", "`version` before the upgrade")
	flag.StringVar(&s.to, "to", "v1.37.2", "`version` after it")
	flag.StringVar(&s.cpu, "cpu", "5%", "share of one core that each board has during the upgrade; max for all")
	flag.StringVar(&s.results, "results", "", "`file` for the document")
	flag.StringSliceVar(&s.tools, "tools", []string{"stock", "kubeadm-arm"}, "what upgrades")
	flag.DurationVar(&s.limit, "limit", 2*time.Hour, "how long one upgrade may take")
	flag.Parse()
	if err := s.run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func (s settings) run(ctx context.Context) error {
	var all []trial
	prefix := fmt.Sprintf("upgrade-%d-", os.Getpid())
	drive.OnInterrupt(func() { _ = drive.Lab(s.lab).DownAll(ctx, prefix) })
	for _, tool := range s.tools {
		t := trial{settings: s, Tool: tool, board: drive.Lab(s.lab).Board(prefix + tool[:1])}
		err := t.run(ctx)
		if down := t.board.Down(ctx); down != nil {
			err = errors.Join(err, down)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tool, err)
		}
		all = append(all, t)
		log.Printf("%s: %s", tool, t.outcome())
	}
	text := document(s, all)
	fmt.Print(text)
	if s.results == "" {
		return nil
	}
	return os.WriteFile(s.results, []byte(text), 0o644)
}

// trial is one upgrade.
type trial struct {
	settings
	Tool  string
	board drive.Board

	Failed       string // the last line of a tool that failed
	Seconds, CPU float64
	// Down is how many seconds the API server did not answer.
	Down    float64
	Starts  map[string]int
	Missing []string // objects that are not there any more
	Version string   // the API server's afterwards
}

const newKubeadm = "/usr/lib/kubernetes/%s/kubeadm"

func (t *trial) run(ctx context.Context) error {
	flags := []string{"--kubernetes", t.from, "--also", t.to, "--bin", t.program}
	if err := t.board.Up(ctx, flags...); err != nil {
		return err
	}
	given := ""
	if t.bench != "" && t.Tool != "stock" {
		if err := t.board.Copy(ctx, t.bench, "/root/bench.json"); err != nil {
			return err
		}
		given = " --arm-bench /root/bench.json"
	}
	init := map[string]string{"stock": "kubeadm init", "kubeadm-arm": "kubeadm-arm init" + given}[t.Tool]
	if _, err := t.sh(ctx, init+" --config "+drive.KubeadmConfig+" >/root/init.log 2>&1"); err != nil {
		return err
	}
	objects, err := t.board.Objects(ctx)
	if err != nil {
		return err
	}
	if t.cpu != "max" {
		if err := t.board.Throttle(ctx, "--cpu", t.cpu); err != nil {
			return err
		}
	}
	before, err := t.board.Starts(ctx)
	if err != nil {
		return err
	}
	used, err := t.board.Status(ctx)
	if err != nil {
		return err
	}
	if err := t.upgrade(ctx, given); err != nil {
		return err
	}
	now, err := t.board.Status(ctx)
	if err != nil {
		return err
	}
	t.CPU, _ = now.Since(used)
	return t.afterwards(ctx, objects, before)
}

// upgrade runs the tool, and counts the seconds in which the API server is not ready. It asks every ten
// seconds: a handshake each second takes a third of a board at 5 %.
func (t *trial) upgrade(ctx context.Context, given string) error {
	kubeadm := fmt.Sprintf(newKubeadm, t.to)
	tool := kubeadm + " upgrade apply "
	if t.Tool != "stock" {
		tool = "kubeadm-arm upgrade apply --arm-kubeadm " + kubeadm + given + " "
	}
	// Images are there, and no registry is. A throttled board fails the test Job, so it is ignored for both.
	tool += t.to + " --yes --ignore-preflight-errors=SystemVerification,ImagePull,CreateJob"
	limited, stop := context.WithTimeout(ctx, t.limit)
	defer stop()
	out, err := t.sh(limited, `( last=$(date +%s.%N); while :; do
  code=$(curl -sk -m 5 -o /dev/null -w '%{http_code}' https://`+"$(hostname -i)"+`:6443/readyz); now=$(date +%s.%N)
  [ "$code" = 200 ] || echo "$last $now"
  last=$now; sleep 10
done >/root/down ) & poll=$!
began=$(date +%s.%N)
`+tool+` >/root/upgrade.log 2>&1; code=$?
ended=$(date +%s.%N)
kill $poll
echo "$code $began $ended $(awk '{ s += $2-$1 } END { print s+0 }' /root/down)"
grep -vE '^$|^To see the stack trace' /root/upgrade.log | tail -1`)
	if err != nil {
		return err
	}
	first, last, _ := strings.Cut(out, "\n")
	var code int
	var began, ended float64
	if _, err := fmt.Sscan(first, &code, &began, &ended, &t.Down); err != nil {
		return fmt.Errorf("read how the upgrade ended: %w: %q", err, out)
	}
	t.Seconds = ended - began
	if code != 0 {
		t.Failed = fmt.Sprintf("exit %d: %.200s", code, strings.TrimSpace(last))
	}
	return nil
}

// afterwards looks at full speed at what the upgrade has left.
func (t *trial) afterwards(ctx context.Context, objects []string, before drive.Starts) error {
	if err := t.board.Throttle(ctx, "--cpu", "max"); err != nil {
		return err
	}
	now, err := t.board.Starts(ctx)
	if err != nil {
		return err
	}
	t.Starts = now.Since(before)
	is, err := t.board.Objects(ctx)
	if err != nil {
		return err
	}
	t.Missing = drive.Missing(objects, is)
	t.Version, err = t.sh(ctx, "kubectl --kubeconfig /etc/kubernetes/admin.conf version | sed -n 's/Server Version: //p'")
	t.Version = strings.TrimSpace(t.Version)
	return err
}

func (t *trial) sh(ctx context.Context, script string) (string, error) {
	return t.board.Run(ctx, "sh", "-c", script)
}

func (t *trial) outcome() string {
	if t.Failed != "" {
		return "failed: " + t.Failed
	}
	return fmt.Sprintf("upgraded to %s in %.0f s, %.1f CPU s, %.0f s without an API server", t.Version, t.Seconds,
		t.CPU, t.Down)
}

func document(s settings, all []trial) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Upgrades of a control plane, %s

Equal boards of lab, %s of one core during the upgrade from %s to %s; images are there.
Each was set up by the tool that then upgrades it. Containers are those that were started of each component. Objects are all that the API lists, less
pods, replica sets, endpoints, leases and events.

    make upgrade

| tool | outcome | API server then | wall, s | CPU s | s without an API server | containers started | objects missing |
%s
`, time.Now().UTC().Format(time.DateOnly), s.cpu, s.from, s.to, strings.Repeat("|---", 8)+"|")
	for _, t := range all {
		outcome := "upgraded"
		if t.Failed != "" {
			outcome = strings.ReplaceAll(t.Failed, "|", "/")
		}
		var starts []string
		for _, c := range slices.Sorted(maps.Keys(t.Starts)) {
			starts = append(starts, fmt.Sprintf("%s %d", c, t.Starts[c]))
		}
		missing := "none"
		if t.Missing != nil {
			missing = strings.Join(t.Missing, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f | %.1f | %.0f | %s | %s |\n", t.Tool, outcome, t.Version, t.Seconds, t.CPU,
			t.Down,
			strings.Join(starts, ", "), missing)
	}
	return b.String()
}
