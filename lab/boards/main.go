// Command boards boots the boards that kubeadm-arm is for, each emulated by QEMU
// with Debian's kernel and the kubeadm-arm built for it, checks what it says
// there, and prints a table. It drives the programs lab and kubeadm-arm as a
// person would.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	flag "github.com/spf13/pflag"
)

func main() {
	var s suite
	flag.StringVar((*string)(&s.lab), "lab", "lab", "the lab program")
	flag.StringVar(&s.dist, "dist", "dist", "folder of the kubeadm-arm programs that make cross builds")
	flag.StringVar(&s.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.BoolVar(&s.quick, "quick", false, "one ARMv6 and one ARMv7 board only")
	results := flag.String("results", "", "file for the results as Markdown")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "boards:", err)
		os.Exit(1)
	}
	s.table(os.Stdout)
	if *results != "" {
		if err := s.save(*results); err != nil {
			fmt.Fprintln(os.Stderr, "boards:", err)
			os.Exit(1)
		}
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}
