// Command kubeadm-arm is a drop-in for kubeadm on slow and old boards.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
