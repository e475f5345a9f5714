package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// passThrough becomes the real kubeadm: the same process, so that signals,
// terminal, output and exit code are kubeadm's own.
func (v invocation) passThrough(args []string) error {
	if lacksValue(args, "arm-kubeadm") {
		return usage("--arm-kubeadm", errors.New("it needs a value"))
	}
	args, asked := stripFlag(args, "arm-kubeadm")
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

// stripFlag takes --name VALUE and --name=VALUE out of args, up to a "--".
func stripFlag(args []string, name string) (rest []string, value string) {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			return append(rest, args[i:]...), value
		case a == "--"+name && i+1 < len(args):
			i++
			value = args[i]
		case strings.HasPrefix(a, "--"+name+"="):
			value = strings.TrimPrefix(a, "--"+name+"=")
		default:
			rest = append(rest, a)
		}
	}
	return rest, value
}

// isRoot is what kubeadm's own preflight check asks.
func isRoot() bool { return os.Geteuid() == 0 }
