package kube

import (
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// pauseModule writes the module of the pause program and returns its folder.
func pauseModule() (string, error) {
	dir, err := cache.Folder("modules", "pause-"+recipe)
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"go.mod": "module pause\n\ngo 1.24\n", "main.go": pauseSource} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// pauseSource is what holds a pod's namespaces: it waits to be ended, and as
// process 1 of a shared namespace takes in orphans.
const pauseSource = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	orphan := make(chan os.Signal, 1)
	signal.Notify(orphan, syscall.SIGCHLD)
	for {
		select {
		case <-end:
			return
		case <-orphan:
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}
`
