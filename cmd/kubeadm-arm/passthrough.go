package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
	path, err := v.runnableKubeadm(asked)
	if err != nil {
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

// runnableKubeadm finds it, and refuses one that would die on this CPU.
func (v invocation) runnableKubeadm(asked string) (string, error) {
	path, err := v.realKubeadm(asked)
	if err != nil {
		return "", err
	}
	built, err := hwdetect.ReadBinary(path)
	if err != nil {
		// A wrapper script or an unusual format: the kernel will judge.
		return path, nil
	}
	board, err := hwdetect.Read("/")
	if err != nil {
		return path, nil
	}
	return path, board.Runs(built)
}

// child runs the real kubeadm at this terminal and passes signals on.
func (v invocation) child(path string, args []string) error {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "kubeadm"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = v.stdin, v.rawStdout, v.rawStderr, v.env
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
		return &silentError{code}
	}
	return err
}

// imagesProgram builds Kubernetes for boards, on a PC with Go. It is a program of
// its own, so that no board carries what only a PC uses.
const imagesProgram = "kubeadm-arm-images"

const imagesHelpText = `kubeadm-arm images build --cpu armv6|armv7|arm64|amd64 builds kubeadm, kubelet,
kubectl and the control plane's images for a board's CPU. It runs on a PC with Go,
where ` + imagesProgram + ` is installed beside kubeadm-arm or in PATH.
`

// images is `kubeadm-arm images`: it becomes kubeadm-arm-images.
func (v invocation) runImages(args []string) error {
	path, err := v.findImagesProgram()
	if err != nil {
		if a, bad := kubeadm.ParseArgs(args, kubeadm.InitFlags()); len(args) == 0 || bad == nil && a.Bool("help") {
			fmt.Fprint(v.stdout, imagesHelpText)
			return nil
		}
		return &problem{exitMissing, "do this on a PC, with the release archive of " + imagesProgram +
			"; in the source tree, make build-images puts it into bin/", err}
	}
	err = syscall.Exec(path, append([]string{imagesProgram}, args...), v.env)
	return fmt.Errorf("run %s: %w", path, err)
}

// findImagesProgram looks beside this program, then along PATH.
func (v invocation) findImagesProgram() (string, error) {
	if path := thisProgram(); path != "" {
		if beside := filepath.Join(filepath.Dir(path), imagesProgram); exists(beside) {
			return beside, nil
		}
	}
	for _, dir := range filepath.SplitList(v.getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, imagesProgram)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("images: %s is neither beside kubeadm-arm nor in PATH", imagesProgram)
}
