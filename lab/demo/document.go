package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"time"
)

// documentOf writes one document of what earlier calls have kept as JSON, and returns all
// of that.
func documentOf(files []string, path string) (all []run, err error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var runs []run
		if err := json.Unmarshal(text, &runs); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, runs...)
	}
	return all, writeDocument(path, "The runs of several calls, each of which compared its tools on equal boards.", all)
}

// writeDocument writes all runs as Markdown: medians of each tool on each
// board, where the CPU seconds went, and the idle load; the single runs at the
// end.
func writeDocument(path, how string, runs []run) error {
	var b strings.Builder
	name := strings.TrimSuffix(filepath.Base(path), ".md")
	fmt.Fprintf(&b, "# %s: bootstraps compared, %s\n\n", name, time.Now().UTC().Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(&b, "%s, %d cores, %s. Command:\n\n    %s %s\n\n", kernel(), runtime.NumCPU(), runtime.Version(),
		filepath.Base(os.Args[0]), strings.Join(shorten(os.Args[1:]), " "))
	if slices.ContainsFunc(runs, func(r run) bool { return len(r.Stalls) > 0 }) {
		fmt.Fprintf(&b, "%s Times are seconds of the boards' clocks.\n", how)
		stalled(&b, runs)
		return os.WriteFile(path, []byte(b.String()), 0o644)
	}
	fmt.Fprintf(&b, "%s Medians of the runs that worked; times are seconds%s.\n\n", how, clocks(runs))
	groups := group(runs)
	medians(&b, groups)
	plots, err := writePlots(path, runs)
	if err != nil {
		return err
	}
	b.WriteString(plots)
	programs(&b, "CPU seconds to Ready, by program", groups, func(r run) map[string]float64 { return r.ByProgram },
		"%.2f")
	programs(&b, "Idle load in thousandths of a core, by program", groups, func(r run) map[string]float64 {
		if r.Idle == nil {
			return nil
		}
		return withSum(r.Idle.ByProgram, r.Idle.MilliCPU)
	}, "%.1f")
	programs(&b, "Memory when idle, MB (proportional set size), by program", groups, func(r run) map[string]float64 {
		if r.Idle == nil || r.Idle.Memory == nil {
			return nil
		}
		return withSum(r.Idle.Memory, r.Idle.megabytes())
	}, "%.0f")
	emulatedBoards(&b, runs)
	paced(&b, runs)
	checks(&b, runs)
	plans(&b, runs)
	fmt.Fprint(&b, "\n## Every run\n\n| Kubernetes | board | tool | outcome | init done, s | node Ready, s "+
		"| CPU s | restarts |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range runs {
		outcome := "worked"
		if !r.OK {
			outcome = "failed: " + cell(r.Reason)
		}
		for _, m := range r.Missed {
			outcome += "; missed: " + cell(m)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.1f | %.1f | %.2f | %d |\n", r.Version, r.Board, r.Tool, outcome,
			r.Seconds, r.ReadySeconds, max(r.CPUAtReady, r.CPUSeconds), total(r.Restarts))
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// columns of the table of medians, each with the decimals that it is worth.
var columns = []struct {
	title    string
	decimals int
	of       func(run) float64
}{
	{"init done, s", 1, func(r run) float64 { return r.Seconds }},
	{"node Ready, s", 1, func(r run) float64 { return r.ReadySeconds }},
	{"CPU s to Ready", 2, func(r run) float64 { return r.CPUAtReady }},
	{"own CPU s", 2, func(r run) float64 { return r.OwnCPUSeconds }},
	{"restarts", 0, func(r run) float64 { return float64(total(r.Restarts)) }},
	{"connections", 0, func(r run) float64 { return float64(r.Connections) }},
	{"API requests", 0, func(r run) float64 { return float64(r.Requests) }},
	{"MB written", 1, func(r run) float64 { return float64(r.Written) / 1e6 }},
}

// medians writes the table of what the tools took, by board.
func medians(b *strings.Builder, groups []runGroup) {
	b.WriteString("| Kubernetes | board | tool | worked |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	fmt.Fprintf(b, "\n%s|\n", strings.Repeat("|---", 4+len(columns)))
	for _, g := range groups {
		good := g.good()
		fmt.Fprintf(b, "| %s | %s | %s | %d of %d |", g.version, g.cpu, g.tool, len(good), len(g.runs))
		for i, c := range columns {
			switch {
			case len(good) > 0:
				fmt.Fprintf(b, " %.*f |", c.decimals, medianOf(good, c.of))
			case i == 0:
				fmt.Fprintf(b, " failed after %.0f |", medianOf(g.runs, c.of))
			case c.title == "restarts":
				fmt.Fprintf(b, " %.0f |", medianOf(g.runs, c.of))
			default:
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
}

// emulatedBoards says how busy emulated boards are when idle, and how they come back after a power cut.
func emulatedBoards(b *strings.Builder, runs []run) {
	title := "\n## Idle, and after a power cut\n\n| board | tool | busy when idle | API server ready | node " +
		"|\n|---|---|---|---|---|\n"
	for _, r := range runs {
		idle, ready, node := "", "", ""
		if r.Idle != nil && r.Idle.Cores > 0 {
			idle = fmt.Sprintf("%.0f %% of %d cores", 100*r.Idle.share(), r.Idle.Cores)
		}
		if r.Reboot != nil {
			ready, node = r.Reboot.since(r.Reboot.ReadySeconds), r.Reboot.since(r.Reboot.NodeSeconds)
		}
		if idle != "" || ready != "" {
			fmt.Fprintf(b, "%s| %s | %s | %s | %s | %s |\n", title, r.Board, r.Tool, idle, ready, node)
			title = ""
		}
	}
}

// paced says what CPU time was worth on boards that got so much of it that
// their work was that of their share.
func paced(b *strings.Builder, runs []run) {
	title := "\n## What CPU time in slices was worth\n\nThese boards were paced (`lab up --pace`): they got so many " +
		"times their share.\n\n"
	for _, r := range runs {
		if len(r.SliceCosts) > 0 {
			fmt.Fprintf(b, "%s- %s at %s: work in its slices cost %s\n", title, r.Tool, r.Board, sliceCosts(r))
			title = ""
		}
	}
}

// clocks says whose seconds they are.
func clocks(runs []run) string {
	if slices.ContainsFunc(runs, func(r run) bool { return strings.HasPrefix(r.Board, "amd64 ") }) {
		return " of the boards' own clocks, which on boards with a speed (bananapi and the like) count instructions"
	}
	return ""
}

// stalled says where boards were stalled, and what was started again.
func stalled(b *strings.Builder, runs []run) {
	title := "\n## Stalls\n\n| board | tool | node Ready | started again | stalled when the tool said, with the " +
		"board's clock |\n|---|---|---|---|---|\n"
	for _, r := range runs {
		if len(r.Stalls) == 0 {
			continue
		}
		ready, again := "never", []string{}
		if r.NodeReady {
			ready = fmt.Sprintf("%.1f", r.ReadySeconds)
		}
		for _, component := range slices.Sorted(maps.Keys(r.Restarts)) {
			if n := r.Restarts[component]; n > 0 {
				again = append(again, fmt.Sprintf("%s %d times", component, n))
			}
		}
		if len(again) == 0 {
			again = []string{"nothing"}
		}
		fmt.Fprintf(b, "%s| %s | %s | %s | %s | %s |\n", title, r.Board, r.Tool, ready, strings.Join(again, ", "),
			strings.ReplaceAll(cell(strings.Join(r.Stalls, "; ")), " ; ", "; "))
		title = ""
	}
	for _, r := range runs {
		for _, words := range r.LastWords {
			if len(r.Stalls) > 0 {
				fmt.Fprintf(b, "\n%s, %s:\n\n    %s\n", r.Board, r.Tool, strings.ReplaceAll(words, "\n", "\n    "))
			}
		}
	}
}

// runGroup are the runs of one tool on equal boards.
type runGroup struct {
	version, cpu, tool string
	runs               []run
}

// good are the runs that ended with a Ready node.
func (g runGroup) good() []run {
	return slices.DeleteFunc(slices.Clone(g.runs), func(r run) bool { return !r.OK || !r.NodeReady || r.Invalid != "" })
}

// group keeps the order of first appearance.
func group(runs []run) []runGroup {
	var all []runGroup
	for _, r := range runs {
		i := slices.IndexFunc(all, func(g runGroup) bool {
			return g.version == r.Version && g.cpu == r.Board &&
				g.tool == r.Tool
		})
		if i < 0 {
			all = append(all, runGroup{version: r.Version, cpu: r.Board, tool: r.Tool})
			i = len(all) - 1
		}
		all[i].runs = append(all[i].runs, r)
	}
	return all
}

// checks writes what each cluster was seen doing, and in what time.
func checks(b *strings.Builder, runs []run) {
	first := true
	for _, r := range runs {
		for _, d := range r.Checks {
			if first {
				fmt.Fprint(b, "\n## What was seen there\n\n| Kubernetes | board | tool | what was seen | s "+
					"|\n|---|---|---|---|---|\n")
				first = false
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %.1f |\n", r.Version, r.Board, r.Tool, d.What, d.Seconds)
		}
	}
}

// plans writes what kubeadm-arm decided on each board, and how long its steps
// took. Equal plans stand there once.
func plans(b *strings.Builder, runs []run) {
	seen := map[string]bool{}
	for _, r := range runs {
		if r.Decided == nil {
			continue
		}
		key := r.Board + fmt.Sprint(r.Decided.Plan)
		if !seen[key] {
			fmt.Fprintf(b, "\n## What %s decided on %s\n\n| decision | value | because |\n|---|---|---|\n", r.Tool,
				r.Board)
			for _, p := range r.Decided.Plan {
				fmt.Fprintf(b, "| %s | %s | %s |\n", p.Name, cell(p.Value), cell(p.Reason))
			}
		}
		seen[key] = true
		fmt.Fprintf(b, "\n## Steps of %s on %s\n\n| step | s | expected |\n|---|---|---|\n", r.Tool, r.Board)
		for _, s := range r.Decided.Steps {
			expected := ""
			if s.Predicted > 0 {
				expected = fmt.Sprintf("%.1f", s.Predicted)
			}
			fmt.Fprintf(b, "| %s | %.1f | %s |\n", s.Name, s.Seconds, expected)
		}
	}
}

// cell is text in a table: one line without bars.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
}

// programs writes a table with a column for every program that matters.
func programs(b *strings.Builder, title string, groups []runGroup, of func(run) map[string]float64, format string) {
	sum := map[string]float64{}
	for _, g := range groups {
		for _, r := range g.good() {
			for program, n := range of(r) {
				sum[program] = max(sum[program], n)
			}
		}
	}
	var names []string
	for program := range sum {
		names = append(names, program)
	}
	sort.Slice(names, func(i, k int) bool { return sum[names[i]] > sum[names[k]] })
	names = names[:min(len(names), 10)]
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| Kubernetes | board | tool | %s |\n|---|---|---|%s\n", title,
		strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, g := range groups {
		good := g.good()
		if len(good) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s |", g.version, g.cpu, g.tool)
		for _, program := range names {
			fmt.Fprintf(b, " "+format+" |", medianOf(good, func(r run) float64 { return of(r)[program] }))
		}
		fmt.Fprintln(b)
	}
}

// withSum adds a column for all programs.
func withSum(by map[string]float64, sum float64) map[string]float64 {
	all := maps.Clone(by)
	if all == nil {
		all = map[string]float64{}
	}
	all["all"] = sum
	return all
}

// shorten leaves of paths only the last part: they are this machine's.
func shorten(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		if strings.HasPrefix(w, "/") {
			out[i] = filepath.Base(w)
		}
	}
	return out
}

// kernel is the running kernel's name and release.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(text))
}

func medianOf(runs []run, f func(run) float64) float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = f(r)
	}
	return medianNumber(all)
}
