package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// imagesProgram builds Kubernetes for boards, on a PC with Go. It is a program of
// its own, so that no board carries what only a PC uses.
const imagesProgram = "kubeadm-arm-images"

const imagesHelpText = `kubeadm-arm images build --cpu armv6|armv7|arm64|amd64 builds kubeadm, kubelet, kubectl and the control plane's images
for a board's CPU. It is done on a PC with Go, by ` + imagesProgram + `, which stands beside kubeadm-arm or in PATH there.
`

// images is `kubeadm-arm images`: it becomes kubeadm-arm-images.
func (v invocation) images(args []string) error {
	path, err := v.findImagesProgram()
	if err != nil {
		if a, bad := kubeadm.ParseArgs(args, kubeadm.InitFlags()); len(args) == 0 || bad == nil && a.Bool("help") {
			fmt.Fprint(v.stdout, imagesHelpText)
			return nil
		}
		return &problem{exitMissing, "do this on a PC: its release archive holds " + imagesProgram + "; in the sources, make build-images makes it in bin/", err}
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
