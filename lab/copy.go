package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
)

// copyVerb is lab cp: one file to a board or back. The board's side is opened by
// a program on the board, because its links must not lead to this machine's
// files.
func copyVerb(*flag.FlagSet) func(context.Context, []string) (int, error) {
	return func(ctx context.Context, args []string) (int, error) {
		if len(args) != 2 {
			return 2, errors.New("cp: want FILE NAME:PATH or NAME:PATH FILE")
		}
		from, fromPath, fromBoard := boardPathOf(args[0])
		to, toPath, toBoard := boardPathOf(args[1])
		switch {
		case toBoard && !fromBoard:
			return codeOf(copyTo(ctx, args[0], to, toPath))
		case fromBoard && !toBoard:
			return codeOf(copyFrom(ctx, from, fromPath, args[1]))
		}
		return 2, errors.New("cp: want a board's path, as NAME:PATH, on one side")
	}
}

// boardPathOf splits NAME:PATH.
func boardPathOf(arg string) (name, path string, ok bool) {
	name, path, ok = strings.Cut(arg, ":")
	if !ok || !board.NameForm.MatchString(name) || !strings.HasPrefix(path, "/") {
		return "", "", false
	}
	return name, path, true
}

func copyTo(ctx context.Context, file, name, path string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("copy %s: not a regular file", file)
	}
	mode := fmt.Sprintf("%o", info.Mode().Perm())
	return runSelf(ctx, in, io.Discard, "run", "--name", name, "--", "install", "-D", "-m", mode, "/dev/stdin", path)
}

func copyFrom(ctx context.Context, name, path, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := runSelf(ctx, nil, out, "run", "--name", name, "--", "cat", path); err != nil {
		return errors.Join(err, out.Close(), os.Remove(file))
	}
	return out.Close()
}

// runSelf runs lab with other arguments.
func runSelf(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("lab %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
