package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "-test.") && signal.Ignored(syscall.SIGHUP) {
		// Somebody runs the tests under nohup(1). The program would rightly take no
		// notice of SIGHUP either; children of one who listens begin afresh.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){"kubeadm-arm": main, "kubeadm": main, "on-a-board": onABoard,
		"gather-only": gatherOnly, "kubelet": func() { fmt.Println(os.Getenv("FAKE_KUBELET")) }})
}

// TestScripts runs testdata/script. The kubeadm in them is a shell script that
// stands in each script's own text; real kubeadm is met on the throttled board.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"treehash":   treeHash,
			"code":       exitCodeIs,
			"unixlisten": unixListen,
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return isRoot(), nil
		},
		Setup: func(e *testscript.Env) error {
			// No advice may depend on who runs the tests.
			e.Setenv("KUBEADM_ARM_KUBEADM", "")
			return nil
		},
	})
}

// treeHash writes a hash over names, modes, times and contents of everything
// below a folder to a file: treehash DIR FILE.
func treeHash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: treehash dir file")
	}
	h := sha256.New()
	root := ts.MkAbs(args[0])
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, info.Mode(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			// What cannot be read, by others than root, cannot be changed either.
			text, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
			h.Write(text)
		}
		return nil
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), fmt.Appendf(nil, "%x\n", h.Sum(nil)), 0o644))
}

// unixListen lets somebody answer at a socket until the script ends: unixlisten
// PATH.
func unixListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unixlisten path")
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ln, err := net.Listen("unix", path)
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
}

// exitCodeIs runs a command and wants an exit code: code N COMMAND ARGS.
func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code n command args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
