package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// passThrough becomes the real kubeadm: the same process, so that signals,
// terminal, output and exit code are kubeadm's own.
func (v invocation) passThrough(args []string) error {
	args, asked, err := v.ownKubeadm(args)
	if err != nil {
		return err
	}
	path, err := v.realKubeadm(asked)
	if err != nil {
		return err
	}
	if err := refuseIllegal(path); err != nil {
		return err
	}
	if args, err = v.upgradeArgs(path, args); err != nil {
		return err
	}
	err = syscall.Exec(path, append([]string{"kubeadm"}, args...), v.env)
	return &kubeadm.NotFoundError{Asked: path, Err: fmt.Errorf("it cannot be run: %w", err)}
}

// ownKubeadm takes --arm-kubeadm out of a command line of kubeadm's, of which
// nothing else is known.
func (v invocation) ownKubeadm(args []string) (rest []string, value string, err error) {
	const name = "arm-kubeadm"
	rest, value, given := cut(args, name, []kubeadm.FlagSpec{{Name: name}})
	if given && value == "" {
		return nil, "", &problem{exitUsage, "see kubeadm-arm init --help", errors.New("flag --arm-kubeadm: it needs a value")}
	}
	return rest, value, nil
}

// cut takes a flag out of a command line and leaves everything else as it is, also
// what cannot be parsed: that is for kubeadm to say. The last value counts.
func cut(args []string, name string, known []kubeadm.FlagSpec) (rest []string, value string, given bool) {
	a, err := kubeadm.ParseArgs(args, known)
	rest = slices.Clone(args)
	for i := len(a.Flags) - 1; i >= 0; i-- {
		f := a.Flags[i]
		if f.Name != name {
			continue
		}
		if !given {
			value, given = f.Value, true
		}
		rest = slices.Delete(rest, f.At, f.At+len(f.Tokens))
	}
	if err != nil && len(rest) > 0 && rest[len(rest)-1] == "--"+name {
		return rest, "", true
	}
	return rest, value, given
}

// realKubeadm finds the kubeadm to run: by flag, by environment, along PATH.
func (v invocation) realKubeadm(asked string) (string, error) {
	if asked == "" {
		asked = v.getenv("KUBEADM_ARM_KUBEADM")
	}
	return kubeadm.Find(asked, v.getenv("PATH"), self())
}

// refuseIllegal says before it happens that a binary would die on this CPU.
func refuseIllegal(path string) error {
	built, err := hwdetect.ReadBinary(path)
	if err != nil {
		// A wrapper script or an unusual format: the kernel will judge.
		return nil
	}
	board, err := hwdetect.Read("/")
	if err != nil {
		return nil
	}
	return board.Runs(built)
}

// isRoot is what kubeadm's own preflight check asks.
func isRoot() bool { return os.Geteuid() == 0 }
