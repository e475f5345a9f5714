package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// The budgets of Run when none is given.
const (
	DefaultBudget = 20 * time.Second
	ShortBudget   = 2 * time.Second
	// ShortQuotaBudget is the most for the short form with less than a core, which takes
	// the time in which its share has shortQuotaCPU. Larger shares have that in less, but in
	// four of the quota's periods at least.
	ShortQuotaBudget = 4500 * time.Millisecond
	shortQuotaCPU    = 50 * time.Millisecond
	shortQuotaLeast  = 400 * time.Millisecond
)

// shortBudget is the time for the short form with a quota of so many cores, 0 for none.
func shortBudget(quota float64) time.Duration {
	if quota <= 0 || quota >= 1 {
		return ShortBudget
	}
	return min(max(time.Duration(float64(shortQuotaCPU)/quota), shortQuotaLeast), ShortQuotaBudget)
}

// How often the list of measures is gone through. What disturbs a board comes
// and goes within seconds: a measure that is spread over the whole run sees as
// much of it as any other, and as the next run's.
const (
	longRounds  = 12
	shortRounds = 2
	// shortQuotaRounds are those of the short form with a quota of shortQuotaShare at
	// least: it sees more than without one, but no more than it has to.
	shortQuotaRounds = 5
	shortQuotaShare  = 0.25
)

// roundsOf reports how many rounds a run with a quota of so many cores has, 0 for no
// quota. With a small share its time has room for one: quotas work in periods of
// 100 ms, against which slices must be long.
func roundsOf(short bool, quota float64) int {
	switch {
	case short && quota >= 1:
		return shortRounds
	case short && quota >= shortQuotaShare:
		return shortQuotaRounds
	case short && quota > 0:
		return 1
	case short, quota > 0:
		return shortRounds
	}
	return longRounds
}

// Options are what Run needs to know. The zero value is a full run without disks.
type Options struct {
	// Budget bounds the whole run in wall time, set-up and tidying up included.
	// It begins when the kernel has randomness, which is at once but for the
	// first moments after a boot.
	// 0 means DefaultBudget, or ShortBudget or at most ShortQuotaBudget for the short form.
	Budget time.Duration
	// Short measures only what a plan cannot do without.
	Short bool
	// Enough is asked between two rounds of the measures, with what they have shown so
	// far, and ends the run when it is content. It may be nil.
	Enough func(Result) bool
	// Folders are where to measure the disk, such as etcd's data folder. They
	// must exist; see NearestFolder.
	Folders []string
	// Progress is called before each step and once after the last, from the
	// goroutine that called Run. It may be nil. What it costs is measured too.
	Progress func(step string, done, total int)
	// Root is the root folder that the kernel's files are read from, nil for "/".
	Root fs.FS
}

// Run measures. When ctx ends or a folder cannot be written (a *FolderError) it
// returns the error together with what it has measured so far.
func Run(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, systemClock{})
}

// budget is what was asked for, or the default with a quota of so many cores.
func (o Options) budget(quota float64) time.Duration {
	switch {
	case o.Budget > 0:
		return o.Budget
	case o.Short:
		return shortBudget(quota)
	}
	return DefaultBudget
}

func run(ctx context.Context, o Options, c clock) (Result, error) {
	patient, cancel := context.WithTimeout(ctx, randomnessPatience)
	defer cancel()
	waited, err := awaitRandomness(patient, c, getrandom)
	if err != nil {
		return Result{Schema: Schema, Started: c.Now().UTC()}, err
	}
	start, startCPU := c.Now(), c.CPU()
	if o.Root == nil {
		o.Root = Machine()
	}
	quotaBefore, quotaKnown := readCgroupCPU(o.Root)
	o.Budget = o.budget(quotaBefore.cores)
	r := Result{
		Schema: Schema, Started: start.UTC().Truncate(time.Millisecond), BootID: readBootID(o.Root),
		Short: o.Short, Budget: o.Budget.Seconds(), Before: readState(o.Root),
		Runtime: goRuntime(), Warnings: waited,
	}
	// Statistics and tidying up need a little time too: a third of a second on an
	// emulated Cortex-A7. What still runs then is left alone.
	end := start.Add(o.Budget - min(o.Budget/10, 750*time.Millisecond))
	bounded, cancel := context.WithDeadline(ctx, end)
	defer cancel()

	folders, disks, remove, err := openFolders(o.Folders, c, &r)
	defer remove()
	if err != nil {
		return r, err
	}
	r.Folders = folders
	// A user's GOGC would make two boards' figures different.
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	rounds := roundsOf(o.Short, quotaBefore.cores)
	list, err := agenda(c, o, quotaBefore.cores, rounds, disks)
	if err != nil {
		return r, err
	}
	s := schedule{
		clock: c, root: o.Root, progress: o.Progress, list: list, rounds: rounds, end: end,
	}
	if o.Enough != nil {
		s.enough = func() bool {
			sofar := r
			s.fill(&sofar)
			sofar.Cores.Quota = quotaBefore.cores
			return o.Enough(sofar)
		}
	}
	err = s.run(bounded)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // the budget's, not the caller's: the schedule has noted what is missing
	}
	s.fill(&r)
	if quotaKnown {
		after, _ := readCgroupCPU(o.Root)
		r.Warnings = append(r.Warnings, quotaWarnings(quotaBefore, after, &r.Cores)...)
	}
	r.After = readState(o.Root)
	r.Warnings = append(r.Warnings, stateWarnings(r.Before, r.After, s.loaded)...)
	if rmErr := remove(); rmErr != nil {
		err = errors.Join(err, rmErr)
	}
	r.Elapsed = c.Now().Sub(start).Seconds()
	r.CPU = (c.CPU() - startCPU).Seconds()
	r.PeakMemory = peakMemory()
	return r, err
}

// openFolders opens a scratch file in each folder, so that a folder that cannot
// be measured is known before anything else has cost time.
func openFolders(names []string, c clock, r *Result) ([]Folder, []*disk, func() error, error) {
	var opened []*scratch
	remove := func() error {
		var all []error
		for _, s := range opened {
			if err := s.remove(); err != nil {
				all = append(all, fmt.Errorf("remove the benchmark's file: %w", err))
			}
		}
		return errors.Join(all...)
	}
	var folders []Folder
	byPattern := make([][]*disk, 3)
	for _, name := range names {
		s, err := newScratch(name)
		if err != nil {
			return nil, nil, remove, err
		}
		opened = append(opened, s)
		f, warnings, err := describe(name)
		if err != nil {
			return nil, nil, remove, err
		}
		r.Warnings = append(r.Warnings, warnings...)
		folders = append(folders, f)
		for i, d := range newDisks(c, name, s) {
			byPattern[i] = append(byPattern[i], d)
		}
	}
	// One pattern in all folders before the next pattern: side by side.
	var disks []*disk
	for _, d := range byPattern {
		disks = append(disks, d...)
	}
	return folders, disks, remove, nil
}

func quotaWarnings(before, after cgroupCPU, cores *Cores) []Warning {
	cores.Quota = after.cores
	if q := after.cores; q > 0 {
		// A short look can end before the quota's first period does.
		cores.One, cores.All = min(cores.One, q), min(cores.All, q)
	}
	if after.periods <= before.periods || after.throttled <= before.throttled {
		return nil
	}
	part := float64(after.throttled-before.throttled) / float64(after.periods-before.periods)
	cores.Throttled = part
	text := fmt.Sprintf("the cgroup was throttled in %.0f %% of the scheduler's periods", 100*part)
	if after.cores > 0 {
		text += fmt.Sprintf(": its quota is %.2f cores", after.cores)
	}
	return []Warning{{WarnQuota, text}}
}

func goRuntime() Go {
	g := Go{Version: runtime.Version(), Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOARM" {
				g.ARM = s.Value
			}
		}
	}
	return g
}

// peakMemory is 0 where the kernel does not say. ru_maxrss is in KiB on Linux.
func peakMemory() uint64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return 1024 * uint64(usage.Maxrss)
}
