package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// invocation is one call of the program: what main was given, and nothing that
// it would have to look up.
type invocation struct {
	args   []string
	env    []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
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
	v := invocation{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	name := "kubeadm-arm"
	if len(args) > 0 {
		name = filepath.Base(args[0])
		v.args = args[1:]
	}
	err := v.dispatch(name == "kubeadm")
	return v.fail(err)
}

// dispatch finds the command. Flags may stand before it, as in kubeadm -v5 init.
func (v invocation) dispatch(asKubeadm bool) error {
	at := v.commandIndex()
	command := ""
	if at >= 0 {
		command = v.args[at]
	}
	if command == "init" {
		return v.init(append(append([]string{}, v.args[:at]...), v.args[at+1:]...))
	}
	if command == "reset" {
		return v.reset(v.args)
	}
	if asKubeadm {
		return v.passThrough(v.args)
	}
	if own, ok := ownCommands()[command]; ok && at == 0 {
		return own(v, v.args[1:])
	}
	switch {
	case len(v.args) == 0, len(v.args) == 1 && (v.args[0] == "--help" || v.args[0] == "-h" || v.args[0] == "help"):
		fmt.Fprint(v.stdout, helpText)
		return nil
	case len(v.args) == 1 && v.args[0] == "--version":
		fmt.Fprintln(v.stdout, "kubeadm-arm "+version())
		return nil
	}
	return v.passThrough(v.args)
}

// commandIndex is where the first word that is not a flag stands, -1 without
// one. Of kubeadm's global flags only -v, --rootfs and klog's take a value that
// may be a word of its own.
func (v invocation) commandIndex() int {
	for i := 0; i < len(v.args); i++ {
		a := v.args[i]
		switch {
		case a == "--":
			return -1
		case !strings.HasPrefix(a, "-"):
			return i
		case a == "-v" || a == "--v" || a == "--rootfs" || a == "--log-file" || a == "--vmodule" || a == "--arm-kubeadm" || a == "--arm-bench" || a == "--arm-report" || a == "--output" || a == "--profile" || a == "--storage":
			i++
		}
	}
	return -1
}

// ownCommands are those that kubeadm does not have.
func ownCommands() map[string]func(invocation, []string) error {
	return map[string]func(invocation, []string) error{
		"abort":   invocation.abort,
		"bench":   invocation.bench,
		"detect":  invocation.detect,
		"doctor":  invocation.doctor,
		"images":  invocation.images,
		"patch":   invocation.patch,
		"release": invocation.release,
		"report":  invocation.report,
		"resume":  invocation.resume,
		"status":  invocation.status,
		"storage": invocation.storage,
	}
}

// fail prints an error the way all of them are printed, one clear line and a
// hint, and returns the exit code.
func (v invocation) fail(err error) int {
	if err == nil {
		return 0
	}
	var said *saidError
	if errors.As(err, &said) {
		return said.code
	}
	fmt.Fprintf(v.stderr, "kubeadm-arm: %v\n", err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(v.stderr, "hint: %s\n", hinted.Hint())
	}
	return exitCode(err)
}

// saidError is an error that was shown already, or that needs no words.
type saidError struct{ code int }

func (e *saidError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// problem is an error with an exit code and advice.
type problem struct {
	code int
	hint string
	err  error
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// Hint says what can be done.
func (p *problem) Hint() string { return p.hint }

func self() os.FileInfo {
	// /proc/self/exe is the program even when it was started through a link or
	// its file has been replaced since.
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil
	}
	return info
}
