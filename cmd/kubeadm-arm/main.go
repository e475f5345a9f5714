// Command kubeadm-arm is a drop-in for kubeadm on slow and old boards.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

func main() {
	os.Exit(run(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// invocation is one call of the program: what main was given, and nothing that
// it would have to look up.
type invocation struct {
	args  []string
	env   []string
	stdin io.Reader
	// What is printed there cannot steer a terminal.
	stdout, stderr io.Writer
	// The same as they are, for kubeadm itself and for what steers the terminal.
	rawStdout, rawStderr io.Writer
}

func (v invocation) getenv(name string) string {
	for _, e := range v.env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// run is the whole program. args[0] is the name it was called by: under the
// name kubeadm it has no commands of its own.
func run(args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := printable.Writer(stdout), printable.Writer(stderr)
	v := invocation{env: env, stdin: stdin, stdout: out, stderr: errs, rawStdout: stdout, rawStderr: stderr}
	name := "kubeadm-arm"
	if len(args) > 0 {
		name = filepath.Base(args[0])
		v.args = args[1:]
	}
	err := v.safely(name == "kubeadm")
	return v.fail(errors.Join(err, out.Close(), errs.Close()))
}

// safely has a fault of the program end as an error does.
func (v invocation) safely(asKubeadm bool) (err error) {
	defer fault.Catch(&err)
	return v.dispatch(asKubeadm)
}

// dispatch finds the command. Flags may stand before it, as in kubeadm -v5 init.
func (v invocation) dispatch(asKubeadm bool) error {
	all, _ := kubeadm.ParseArgs(v.args, everyFlag()) // what is wrong with them is for the command to say
	at, name := all.FirstWord, ""
	if at >= 0 {
		name = v.args[at]
	}
	switch {
	case isJob(name):
		return v.command(commandNamed(name), slices.Concat(v.args[:at], v.args[at+1:]))
	case name == "upgrade":
		return v.runUpgrade(slices.Concat(v.args[:at], v.args[at+1:]))
	case name == "reset":
		return v.runReset(v.args)
	case asKubeadm:
		return v.passThrough(v.args)
	case at == 0 && name == "help" && len(all.Words) == 2 && commandNamed(all.Words[1]) != nil:
		return v.ownCommand(all.Words[1], []string{"--help"})
	case at == 0 && commandNamed(name) != nil:
		return v.ownCommand(name, v.args[1:])
	case len(v.args) == 0, len(v.args) == 1 && (name == "help" || all.Bool("help")):
		fmt.Fprint(v.stdout, helpOfAll())
		return nil
	case len(v.args) == 1 && all.Bool("version"):
		printable.Fprintln(v.stdout, "kubeadm-arm "+version())
		return nil
	}
	return v.passThrough(v.args)
}

// isJob reports whether a command is one of [jobs].
func isJob(name string) bool {
	_, ok := jobs()[kubeadm.Verb(name)]
	return ok
}

// ownCommand runs a command that kubeadm does not have.
func (v invocation) ownCommand(name string, args []string) error {
	if name == "images" {
		return v.runImages(args)
	}
	c := commandNamed(name)
	if c.verbs != nil {
		return v.verb(c, args)
	}
	return v.command(c, args)
}

// verb runs a command's verb, such as storage plan, or prints the help of all of them.
func (v invocation) verb(c *command, args []string) error {
	known := append(kubeadm.InitFlags(), kubeadm.OtherFlags()...) // for --help in all its forms
	for _, x := range c.verbs {
		for _, f := range x.flags {
			known = append(known, f.spec())
		}
	}
	a, err := kubeadm.ParseArgs(args, known)
	asked := err == nil && (len(a.Words) == 0 && a.Bool("help") || a.FirstWord == 0 && a.Words[0] == "help")
	if asked || len(args) == 0 && !c.kubeadmVerbs {
		fmt.Fprint(v.stdout, helpOf(c))
		return nil
	}
	for _, x := range c.verbs {
		// With another word it is kubeadm's: certs renew apiserver.
		if len(a.Words) > 0 && x.name == c.name+" "+a.Words[0] && !(c.kubeadmVerbs && (err != nil || len(a.Words) > 1)) {
			return v.command(x, slices.Concat(args[:a.FirstWord], args[a.FirstWord+1:]))
		}
	}
	switch {
	case c.kubeadmVerbs:
		return v.passThrough(append([]string{c.name}, args...))
	case len(a.Words) == 0:
		err = fmt.Errorf("%s: no command in %q", c.name, strings.Join(args, " "))
	default:
		err = fmt.Errorf("%s: no command %q", c.name, a.Words[0])
	}
	return &problem{exitUsage, "see kubeadm-arm " + c.name + " --help", err}
}

// command parses a command's arguments and runs it, or prints its help.
func (v invocation) command(c *command, args []string) error {
	o, err := v.parse(c, args)
	if err != nil {
		return err
	}
	if o.help() && !isJob(c.name) {
		fmt.Fprint(v.stdout, helpOf(c))
		return nil
	}
	if err := o.check(); err != nil && !o.help() {
		return err
	}
	return c.run(v, o)
}

// everyFlag are all flags that may precede a command, kubeadm-arm's and kubeadm's.
func everyFlag() []kubeadm.FlagSpec {
	all := kubeadm.OtherFlags()
	for verb := range jobs() {
		all = append(all, verb.Flags()...)
		for _, f := range commandNamed(string(verb)).flags {
			all = append(all, f.spec())
		}
	}
	return append(all, kubeadm.FlagSpec{Name: "version", Switch: true})
}

// board is the layout of the board that this program runs on.
func board() state.Layout {
	return state.Layout{Root: "/", FS: durable.FS{Hook: durable.KillPoint()}}
}

// thisProgram is the path that systemd can start this program by.
func thisProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// trustedProgram is that path where root's units may name it.
func trustedProgram() (string, error) { return systemd.TrustedProgram(thisProgram()) }

// isRoot is what kubeadm's own preflight check asks.
func isRoot() bool { return os.Geteuid() == 0 }

func needRoot(command string) error {
	if isRoot() {
		return nil
	}
	return &problem{exitNotRoot, "run it again with sudo", fmt.Errorf("%s must be run as root", command)}
}

// self is this program's file, nil if it cannot be found.
func self() os.FileInfo {
	// /proc/self/exe is the program even when it was started through a link or
	// its file has been replaced since.
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil
	}
	return info
}

// release is set by the linker: -X main.release=v0.1.0.
var release string

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
