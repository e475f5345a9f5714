// Command benchcheck shows what the benchmark is worth on this machine.
//
//	go run ./tools/benchcheck repeat  [-runs 5] [-budget 20s] [-folder /var/lib] [-tolerance 0.10]
//	go run ./tools/benchcheck openssl [-rounds 5] [-seconds 1]
//
// Repeat runs the benchmark in that many processes, one after the other, and
// prints for each measure how far its medians lie apart; it fails if any is
// further than the tolerance. Openssl compares Go's cryptography with that of
// `openssl speed` in the same minutes and prints the table in Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("name what to check: repeat or openssl")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "repeat":
		return repeat(ctx, flags, args[1:], out, progress)
	case "openssl":
		return openssl(ctx, flags, args[1:], out, progress)
	case "once":
		return once(ctx, flags, args[1:], out)
	}
	return fmt.Errorf("unknown check %q: repeat or openssl", args[0])
}
