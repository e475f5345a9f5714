// Command demo shows the main job: on boards of equal speed it runs the stock
// `kubeadm init` and `kubeadm-arm init`, one after the other, with the same
// configuration, and prints both outcomes in one table. It drives the programs
// lab and kubeadm-arm as a person would.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitUnfit says that nothing can be said about a tool, since this machine's own speed
	// changed too much.
	exitUnfit = 4
)

// command is a subcommand. It adds its own flags to those that all have, and returns
// what is left to do with them once they are parsed.
type command struct {
	name, help string
	// tools are the default of --tools.
	tools string
	flags func(f *flag.FlagSet, c *call) func() error
}

func commands() []command {
	const both = "stock,kubeadm-arm"
	return []command{
		{"compare", "bring boards up with each tool and compare the outcomes", both, compareFlags},
		{"idle", "the same, and measure the idle load afterwards", both, idleFlags},
		{"conformance", "have each cluster show that it works: scaling, restarts, a service, a silent node",
			"kubeadm-arm", conformanceFlags},
		{"interrupt", "interrupt kubeadm-arm in the middle and repeat it", "kubeadm-arm", faultFlags(interrupt)},
		{"power-cut", "cut an emulated board's power in the middle and repeat kubeadm-arm", "kubeadm-arm",
			faultFlags(cutPower)},
		{"stall", "keep emulated boards from working for a time at given places of the bootstrap", both, stallFlags},
	}
}

// call is one call of demo.
type call struct {
	settings
	expect expectations
	stalls []stall
	output
}

// output is where the results go, beside the table.
type output struct{ json, document string }

func (o *output) flags(f *flag.FlagSet) {
	f.StringVar(&o.json, "json", "", "file for the results as JSON")
	f.StringVar(&o.document, "document", "", "file for the results as Markdown, its plots beside it")
}

func (o output) write(how string, runs []run) error {
	if o.document != "" {
		if err := writeDocument(o.document, how, runs); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(runs, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}

func main() {
	code, err := demoMain(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}

func demoMain(args []string) (code int, err error) {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage())
		return 0, nil
	}
	if args[0] == "document" {
		return documentCommand(args[1:])
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(args[1:])
		}
	}
	return exitUsage, fmt.Errorf("there is no %q; see demo help", args[0])
}

func usage() string {
	text := "demo shows what kubeadm-arm is for, on boards that lab makes.\n\n"
	for _, c := range commands() {
		text += fmt.Sprintf("  demo %-12s %s\n", c.name, c.help)
	}
	return text + fmt.Sprintf("  demo %-12s %s\n\ndemo COMMAND --help lists the flags of a command.\n",
		"document", "write one document of results that --json has kept")
}

// run parses the flags, runs the bootstraps and judges them.
func (c command) run(args []string) (code int, err error) {
	s, tools := call{}, c.tools
	f := flag.NewFlagSet("demo "+c.name, flag.ContinueOnError)
	f.StringVar((*string)(&s.lab), "lab", "lab", "the lab program")
	f.StringSliceVar(&s.kubernetes, "kubernetes", []string{"v1.37.2"},
		"versions of Kubernetes, one after the other, or with --side-by-side at once")
	f.StringVar(&tools, "tools", tools, "what to run: "+toolNames)
	f.DurationVar(&s.limit, "limit", 20*time.Minute, "longest time for one run")
	s.software.flags(f)
	s.machines.flags(f)
	s.schedule.flags(f)
	s.output.flags(f)
	s.expect.flags(f)
	finish := c.flags(f, &s)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return exitUsage, err
	}
	if len(f.Args()) > 0 {
		return exitUsage, fmt.Errorf("%s takes flags only, and no %q", c.name, f.Arg(0))
	}
	if s.tools, err = parseTools(tools); err != nil {
		return exitUsage, err
	}
	if err := errors.Join(finish(), s.prepare(s.stalls)); err != nil {
		return exitUsage, err
	}
	s.sideBySide = s.sideBySide || s.atOnce
	s.boardsPrefix = fmt.Sprintf("demo-%d", os.Getpid())
	return s.run()
}

// run runs the bootstraps and judges them.
func (c *call) run() (code int, err error) {
	log := drive.NewLog(os.Stderr)
	drive.OnInterrupt(func() {
		log.Printf("interrupted, taking the boards down")
		if err := c.lab.DownAll(context.Background(), c.boardsPrefix+"-"); err != nil {
			log.Printf("%v", err)
		}
	})
	runs, err := c.runAll(log)
	if err != nil {
		return exitFailed, err
	}
	if err := c.output.write(c.schedule.how(), runs); err != nil {
		return exitFailed, err
	}
	if err := c.expect.check(runs); err != nil {
		return exitFailed, fmt.Errorf("not as expected: %w", err)
	}
	for _, r := range runs {
		if r.Invalid != "" {
			return exitUnfit, fmt.Errorf("this machine is not fit for timing: %d of %d runs of %s are not valid: %s\n"+
				"hint: boards with counted time (--board amd64) are the same on every "+
				"machine", tries, tries, r.Tool, r.Invalid)
		}
	}
	return 0, nil
}

func nothingMore() error { return nil }

func compareFlags(f *flag.FlagSet, c *call) func() error {
	c.measurements.flags(f)
	c.expect.compareFlags(f)
	return nothingMore
}

func idleFlags(f *flag.FlagSet, c *call) func() error {
	f.DurationVar(&c.idleFor, "for", 2*time.Minute, "measure for so long")
	f.DurationVar(&c.settle, "settle", 2*time.Minute, "wait so long before")
	f.Float64Var(&c.expect.idle, "expect-idle", 0,
		"fail if kubeadm-arm's idle board uses more than this share of all its cores, such as 0.35")
	return compareFlags(f, c)
}

func conformanceFlags(_ *flag.FlagSet, c *call) func() error {
	c.conformance = true
	return nothingMore
}

// faultFlags are of the commands that disturb kubeadm-arm, which alone can go on.
func faultFlags(fault fault) func(*flag.FlagSet, *call) func() error {
	return func(_ *flag.FlagSet, c *call) func() error {
		c.fault = fault
		return func() error {
			for _, t := range c.tools {
				if !isArm(t.Name) {
					return fmt.Errorf("--tools: this is for kubeadm-arm only, and not for %s", t.Name)
				}
			}
			return nil
		}
	}
}

func stallFlags(f *flag.FlagSet, c *call) func() error {
	var lengths, places []string
	f.StringSliceVar(&lengths, "for", nil, "keep boards from working for so long, or leave them a share of their "+
		"cores, such as 30s,1m@10%")
	f.StringSliceVar(&places, "at", nil, "do so when the tool says this; several texts with | between, one for each "+
		"tool")
	return func() (err error) {
		c.stalls, err = parseStalls(lengths, places)
		return err
	}
}

// documentCommand puts results that --json has kept into one document.
func documentCommand(args []string) (code int, err error) {
	f := flag.NewFlagSet("demo document", flag.ContinueOnError)
	var e expectations
	path := f.String("document", "", "file to write, its plots beside it")
	e.flags(f)
	f.Usage = func() {
		fmt.Fprintf(os.Stderr, "Usage: demo document FILE.json... --document FILE.md\n%s", f.FlagUsages())
	}
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return exitUsage, err
	}
	if len(f.Args()) == 0 || *path == "" {
		return exitUsage, errors.New("document: name the files that --json has written, and --document")
	}
	runs, err := documentOf(f.Args(), *path)
	if err == nil {
		err = e.check(runs)
	}
	if err != nil {
		return exitFailed, err
	}
	return 0, nil
}
