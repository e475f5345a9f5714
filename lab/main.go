package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	flag "github.com/spf13/pflag"
)

const usage = `lab makes throwaway boards with real Kubernetes, slowed down.

  lab deps                          install the Debian packages that are missing
  lab build   --kubernetes VERSION  build Kubernetes, etcd, CoreDNS and the images
  lab up      [flags]               start a board
  lab run     [--name N] [--env K=V] -- COMMAND...
  lab throttle [--name N] --cpu 5%
  lab status  [--json]
  lab down    [--name N | --all]

Flags of up: --name, --kubernetes, --cpu 5%, --period 100ms, --memory 1GiB,
--disk-write-bps N, --disk-write-iops N, --node-ip, --bin FILE (put into the
board's /usr/local/bin, may be repeated).

On the board, /etc/kubeadm-lab.yaml is a configuration for kubeadm init.
`

// The main goroutine stays on the process's first thread: a board's process 1
// and lab run enter namespaces, which belong to threads.
func init() { runtime.LockOSThread() }

func main() {
	code, err := lab(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

func hostArch() string { return runtime.GOARCH }

func lab(args []string) (int, error) {
	if filepath.Base(args[0]) == "systemctl" {
		if len(args) == 2 && args[1] == "supervise" {
			return 1, supervise()
		}
		return systemctl(args[1:]), nil
	}
	if len(args) < 2 {
		fmt.Print(usage)
		return 2, nil
	}
	verb, rest := args[1], args[2:]
	if verb == "inside" && len(rest) == 1 {
		return 1, inside(rest[0])
	}
	f := flag.NewFlagSet("lab "+verb, flag.ContinueOnError)
	f.Usage = func() { fmt.Print(usage) }
	var o upOptions
	f.StringVar(&o.name, "name", "board", "")
	f.StringVar(&o.version, "kubernetes", defaultVersion, "")
	f.StringVar(&o.nodeIP, "node-ip", "10.88.0.2", "")
	cpu := f.String("cpu", "", "")
	f.DurationVar(&o.limits.Period, "period", 0, "")
	memory := f.String("memory", "", "")
	f.Int64Var(&o.limits.WriteBPS, "disk-write-bps", 0, "")
	f.Int64Var(&o.limits.WriteIOPS, "disk-write-iops", 0, "")
	f.StringArrayVar(&o.programs, "bin", nil, "")
	env := f.StringArray("env", nil, "")
	asJSON := f.Bool("json", false, "")
	all := f.Bool("all", false, "")
	arch := f.String("arch", hostArch(), "")
	arm := f.String("goarm", "", "")
	if err := f.Parse(rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, err
	}
	var err error
	if o.limits.CPU, err = parseShare(*cpu); err != nil {
		return 2, err
	}
	if o.limits.Memory, err = parseBytes(*memory); err != nil {
		return 2, err
	}
	switch verb {
	case "deps":
		return 0, installDeps()
	case "build":
		t := target{o.version, *arch, *arm}
		dir, err := build(t)
		if err != nil {
			return 1, err
		}
		if _, _, err := imageArchive(dir, t); err != nil {
			return 1, err
		}
		fmt.Println(dir)
		return 0, nil
	case "up":
		return 0, up(o)
	case "run":
		if f.NArg() == 0 {
			return 2, errors.New("run: name a command after --")
		}
		b, err := loadBoard(o.name)
		if err != nil {
			return 1, err
		}
		return runOn(b, f.Args(), *env)
	case "throttle":
		b, err := loadBoard(o.name)
		if err != nil {
			return 1, err
		}
		groups, err := findCgroups(b.Name)
		if err != nil {
			return 1, err
		}
		if err := groups.limit(o.limits); err != nil {
			return 1, err
		}
		b.CPU = o.limits.CPU
		return 0, b.save()
	case "status":
		return 0, status(*asJSON)
	case "down":
		if *all {
			return 0, downAll()
		}
		dir, err := boardDir(o.name)
		if err != nil {
			return 2, err
		}
		b, err := loadBoard(o.name)
		if err != nil {
			b = &board{Name: o.name, dir: dir}
			if !isDir(dir) {
				return 1, err
			}
		}
		return 0, down(b)
	}
	fmt.Print(usage)
	return 2, fmt.Errorf("unknown verb %q", verb)
}

// defaultVersion is the newest Kubernetes that kubeadm-arm knows.
const defaultVersion = "v1.37.2"

func downAll() error {
	all, err := boards()
	if err != nil {
		return err
	}
	var failed error
	for _, b := range all {
		failed = errors.Join(failed, down(b))
	}
	return failed
}

// boardStatus is one board in lab status --json.
type boardStatus struct {
	board
	Alive       bool    `json:"alive"`
	CPUSeconds  float64 `json:"cpuSeconds"`
	MemoryBytes int64   `json:"memoryBytes"`
	Processes   int     `json:"processes"`
	// BySeconds are the CPU seconds of living processes by program name.
	ByProgram map[string]float64 `json:"cpuSecondsByProgram"`
}

func status(asJSON bool) error {
	all, err := boards()
	if err != nil {
		return err
	}
	list := []boardStatus{}
	for _, b := range all {
		groups, err := findCgroups(b.Name)
		if err != nil {
			return err
		}
		pids := groups.pids()
		list = append(list, boardStatus{board: *b, Alive: b.alive(), CPUSeconds: groups.cpuSeconds(),
			MemoryBytes: groups.memoryBytes(), Processes: len(pids), ByProgram: byProgram(pids)})
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	for _, s := range list {
		state := "up"
		if !s.Alive {
			state = "left over: remove it with lab down --name " + s.Name
		}
		fmt.Printf("%-16s %-9s %s, address %s, %.1f CPU s, %d MiB, %d processes, %s\n", s.Name, s.Version, cpuText(s.CPU), s.NodeIP, s.CPUSeconds, s.MemoryBytes>>20, s.Processes, state)
	}
	return nil
}

// byProgram sums user and system time of living processes.
func byProgram(pids []int) map[string]float64 {
	sum := map[string]float64{}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[end+1:]))
		if open < 0 || len(fields) < 13 {
			continue
		}
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		sum[string(text[open+1:end])] += (user + system) / 100
	}
	return sum
}

// parseShare reads "5%" or "0.05" as 0.05; empty is 0, no limit.
func parseShare(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	text, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(text, 64)
	if percent {
		n /= 100
	}
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--cpu %q: want a share of one core such as 5%% or 0.05", s)
	}
	return n, nil
}

// parseBytes reads "512MiB", "1GiB" or a number of bytes.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	unit := int64(1)
	text := s
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if t, ok := strings.CutSuffix(s, suffix); ok {
			text, unit = t, u
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--memory %q: want a size such as 512MiB", s)
	}
	return n * unit, nil
}
