// Command walk shows that nothing is lost, whatever ends a bootstrap. On boards
// with real Kubernetes it kills kubeadm-arm with SIGKILL around every write of
// the journal and every move of a manifest and at random moments, and cuts the
// whole board's power at others. Each time `kubeadm-arm resume` has to end with a
// Ready node and the same /etc/kubernetes as an undisturbed run. With --from it does the same with
// an upgrade; half of the trials then end with `kubeadm-arm abort`, at the version before.
//
// The kubeadm-arm it drives has to be built with the tag killpoints.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

func main() {
	var w walk
	var lab, name string
	var moments, power, every int
	var only []int
	var seed uint64
	var results, into string
	flag.StringVar(&lab, "lab", "lab", "the lab program")
	flag.StringVar(&w.kubeadmArm, "kubeadm-arm", "kubeadm-arm",
		"the kubeadm-arm program, static, built with the tag killpoints")
	flag.StringVar(&w.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.StringVar(&w.from, "from", "", "disturb an upgrade from this `version`; empty disturbs an init")
	flag.StringVar(&w.cpu, "cpu", "100%", "share of one core that a board gets")
	flag.StringVar(&w.bench, "bench", "", "benchmark of a slow board, so that this one is staged as if it were slow")
	flag.StringVar(&name, "name", fmt.Sprintf("walk-%d", os.Getpid()), "the board's name")
	flag.DurationVar(&w.limit, "limit", 2*time.Hour, "longest time for one run")
	flag.IntVar(&every, "every", 1, "of the journal's boundaries, take each Nth; 0 takes none")
	flag.IntSliceVar(&only, "only", nil, "of the journal's boundaries, take those at these changes of the disk")
	flag.IntVar(&moments, "moments", 30, "how often to kill at a random moment")
	flag.IntVar(&power, "power", 10,
		"how often to cut the board's power at a random moment, of an upgrade in the middle of its steps, twice each")
	flag.Uint64Var(&seed, "seed", uint64(time.Now().UnixNano()), "seed of the random moments")
	flag.StringVar(&results, "json", "", "file for the results as JSON")
	flag.StringVar(&into, "document", "", "file for the results as Markdown")
	flag.Parse()
	w.board, w.log = drive.Lab(lab).Board(name), drive.NewLog(os.Stderr)
	drive.OnInterrupt(func() {
		w.log.Printf("interrupted, taking the board down")
		_ = w.board.Down(context.Background())
	})
	if err := w.all(every, only, moments, power, rand.New(rand.NewPCG(seed, 0)), seed, results, into); err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

// results are what is written down.
type resultsFile struct {
	Kubernetes string  `json:"kubernetes"`
	CPU        string  `json:"cpu"`
	Seed       uint64  `json:"seed"`
	Reference  float64 `json:"undisturbedSeconds"`
	Files      int     `json:"filesCompared"`
	Boundaries int     `json:"boundariesKnown"`
	Trials     []trial `json:"trials"`
}

// all makes the undisturbed run and then every trial.
func (w *walk) all(every int, only []int, moments, power int, random *rand.Rand, seed uint64, results,
	into string) error {
	fmt.Printf("seed %d\n", seed)
	boundaries, err := w.reference()
	if err != nil {
		return fmt.Errorf("the undisturbed run: %w", err)
	}
	w.log.Printf("undisturbed: %.1f s, %d files in /etc/kubernetes, %d boundaries", w.took.Seconds(), len(w.want),
		len(boundaries))
	var trials []trial
	for i, b := range boundaries {
		if every > 0 && i%every == 0 && (len(only) == 0 || slices.Contains(only, b.number)) {
			trials = append(trials, trial{Kind: "boundary", Change: b.number, What: b.what})
		}
	}
	for range moments {
		trials = append(trials, trial{Kind: "moment", At: random.Float64() * w.took.Seconds()})
	}
	if w.from != "" {
		for i := range trials {
			trials[i].Abort = i%2 == 1
		}
		cuts := w.powerCuts()
		trials = append(trials, cuts[:min(power, len(cuts))]...)
		power = 0
	}
	for i := range power {
		trials = append(trials, trial{Kind: "power cut", At: random.Float64() * w.took.Seconds(), Unit: i%2 == 0})
	}
	var failed error
	for i := range trials {
		t := &trials[i]
		if err := w.try(t); err != nil {
			t.Problem = err.Error()
			failed = errors.Join(failed, fmt.Errorf("%s: %w", t, err))
		}
		w.log.Printf("%d/%d %s: %s", i+1, len(trials), t, t.outcome())
		if results == "" {
			continue
		}
		r := resultsFile{w.version, w.cpu, seed, w.took.Seconds(), len(w.want), len(boundaries), trials[:i+1]}
		text, err := json.MarshalIndent(r, "", " ")
		if err == nil {
			err = os.WriteFile(results, append(text, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	}
	text := document(w, seed, trials)
	fmt.Print(text)
	if into != "" {
		failed = errors.Join(failed, os.WriteFile(into, []byte(text), 0o644))
	}
	return failed
}
