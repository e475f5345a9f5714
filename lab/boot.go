package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/deps"
	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// bootVerb is lab boot: a board that QEMU emulates, with nothing on it but what
// it is given, for as long as its commands take.
func bootVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	name := f.String("board", "", "emulated `board`")
	programs := f.StringArray("bin", nil, "program for the board's /usr/local/bin, as `FILE` or NAME=FILE; may be "+
		"repeated")
	counted := f.Bool("count", false, "one core, whose clock counts instructions, 2 ns each: CPU times do not depend "+
		"on this machine")
	asJSON := f.Bool("json", false, "print how each command went, as JSON")
	return func(ctx context.Context, args []string) (int, error) {
		b, err := emulate.Find(*name)
		if err != nil {
			return board.ExitLab, err
		}
		commands, err := splitCommands(args)
		if err != nil {
			return 2, err
		}
		if err := deps.NeedEmulator(); err != nil {
			return board.ExitLab, err
		}
		cache, err := cache.Folder("emulated")
		if err != nil {
			return board.ExitLab, err
		}
		files := map[string]string{}
		for _, p := range *programs {
			name, file, ok := strings.Cut(p, "=")
			if !ok {
				name, file = filepath.Base(p), p
			}
			files["/usr/local/bin/"+name] = file
		}
		results, err := b.Boot(ctx, cache, emulate.Job{Files: files, Commands: commands, Counted: *counted})
		if err != nil {
			return board.ExitLab, err
		}
		if *asJSON {
			return codeOf(json.NewEncoder(os.Stdout).Encode(results))
		}
		code := 0
		for _, r := range results {
			_, errOut := io.WriteString(os.Stdout, r.Stdout)
			_, errErr := io.WriteString(os.Stderr, r.Stderr)
			if err := errors.Join(errOut, errErr); err != nil {
				return board.ExitLab, err
			}
			if r.Signal != "" {
				progress.Log("%s: %s", strings.Join(r.Args, " "), r.Signal)
			}
			code = r.ExitCode
		}
		return code, nil
	}
}

// splitCommands splits words into commands at each --.
func splitCommands(words []string) ([][]string, error) {
	commands := [][]string{{}}
	for _, w := range words {
		if w == "--" {
			commands = append(commands, []string{})
			continue
		}
		last := len(commands) - 1
		commands[last] = append(commands[last], w)
	}
	for _, c := range commands {
		if len(c) == 0 {
			return nil, fmt.Errorf("boot: name commands after --, with -- between them")
		}
	}
	return commands, nil
}
