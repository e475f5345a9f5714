package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// subject is one thing that both can do.
type subject struct {
	title  string
	sample string   // bench's name
	args   []string // of openssl speed
	// read finds the figure in `openssl speed -mr`, in operations or bytes per second.
	read func(fields []string) (float64, bool)
}

// The lines of `openssl speed -mr` that matter, from apps/speed.c of OpenSSL 3.0:
//
//	+F2:INDEX:BITS:SIGNATURES PER SECOND:VERIFICATIONS PER SECOND   (RSA)
//	+F4:INDEX:BITS:SIGNATURES PER SECOND:VERIFICATIONS PER SECOND   (ECDSA)
//	+F:INDEX:NAME:BYTES PER SECOND of each block size               (bulk)
//
// Seconds are of CPU time, as ours.
func subjects() []subject {
	perOp := func(tag, bits string, column int) func([]string) (float64, bool) {
		return func(f []string) (float64, bool) {
			if f[0] != tag || len(f) <= column || f[2] != bits {
				return 0, false
			}
			rate, err := strconv.ParseFloat(f[column], 64)
			return rate, err == nil
		}
	}
	bulk := func(f []string) (float64, bool) {
		if f[0] != "+F" || len(f) < 4 {
			return 0, false
		}
		bytes, err := strconv.ParseFloat(f[len(f)-1], 64)
		return bytes, err == nil
	}
	block := []string{"-bytes", "16384"}
	return []subject{
		{"RSA-2048 sign", "sign/rsa-2048", []string{"rsa2048"}, perOp("+F2", "2048", 3)},
		{"RSA-2048 verify", "verify/rsa-2048", []string{"rsa2048"}, perOp("+F2", "2048", 4)},
		{"ECDSA P-256 sign", "sign/ecdsa-p256", []string{"ecdsap256"}, perOp("+F4", "256", 3)},
		{"ECDSA P-256 verify", "verify/ecdsa-p256", []string{"ecdsap256"}, perOp("+F4", "256", 4)},
		{"AES-128-GCM", "seal/aes-128-gcm", append([]string{"-evp", "aes-128-gcm"}, block...), bulk},
		{"AES-256-GCM", "seal/aes-256-gcm", append([]string{"-evp", "aes-256-gcm"}, block...), bulk},
		{"ChaCha20-Poly1305", "seal/chacha20-poly1305", append([]string{"-evp", "chacha20-poly1305"}, block...), bulk},
		{"SHA-256", "hash/sha-256", append([]string{"-evp", "sha256"}, block...), bulk},
	}
}

func openssl(ctx context.Context, flags *flag.FlagSet, args []string, out, progress io.Writer) error {
	rounds := flags.Int("rounds", 5, "how often each is measured, in turns")
	seconds := flags.Int("seconds", 1, "for openssl speed -seconds")
	program := flags.String("openssl", "openssl", "the program, with its arguments before \"speed\"")
	if err := flags.Parse(args); err != nil {
		return err
	}
	command := strings.Fields(*program)
	version, err := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), "version")...).Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", *program, err)
	}
	list := subjects()
	ours, theirs := make([][]float64, len(list)), make([][]float64, len(list))
	var last bench.Result
	for round := range *rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, *rounds)
		// The parent stays idle while openssl runs and the other way round.
		if last, err = bench.Run(ctx, bench.Options{}); err != nil {
			return err
		}
		known := map[string]string{}
		for i, s := range list {
			sample, ok := last.Sample(s.sample, bench.CPU)
			if !ok {
				return fmt.Errorf("the benchmark did not measure %s: it needs a larger budget here", s.sample)
			}
			value := sample.Median
			if sample.Unit == bench.SecondsPerOp {
				value = 1 / value
			}
			ours[i] = append(ours[i], value)

			line := strings.Join(s.args, " ")
			if known[line] == "" {
				all := append(slices.Clone(command[1:]), "speed", "-mr", "-seconds", fmt.Sprint(*seconds))
				text, err := exec.CommandContext(ctx, command[0], append(all, s.args...)...).Output()
				if err != nil {
					return fmt.Errorf("%s speed %s: %w", *program, line, err)
				}
				known[line] = string(text)
			}
			value, ok = find(known[line], s.read)
			if !ok {
				return fmt.Errorf("%s speed %s: no figure in its output:\n%s", *program, line, known[line])
			}
			theirs[i] = append(theirs[i], value)
		}
	}
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "| | %s, %s | %s | Go to OpenSSL, median (range) of %d rounds |\n| --- | --- | --- | --- |\n",
		last.Runtime.Version, last.Runtime.Arch, shortVersion(string(version)), *rounds)
	for i, s := range list {
		unit := "B/s"
		if strings.Contains(s.sample, "sign") || strings.Contains(s.sample, "verify") {
			unit = ""
		}
		ratios := make([]float64, *rounds)
		for k := range ratios {
			ratios[k] = ours[i][k] / theirs[i][k]
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.2f (%.2f–%.2f) |\n", s.title, rate(median(ours[i]), unit),
			rate(median(theirs[i]), unit),
			median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	return w.Flush()
}

// shortVersion keeps "OpenSSL 3.0.22" of `openssl version`.
func shortVersion(text string) string {
	return strings.Join(strings.Fields(text)[:min(2, len(strings.Fields(text)))], " ")
}

func rate(v float64, unit string) string {
	if unit == "" {
		return bench.Format(v, "") + "/s"
	}
	return bench.Format(v, unit)
}

func find(text string, read func([]string) (float64, bool)) (float64, bool) {
	for line := range strings.Lines(text) {
		if v, ok := read(strings.Split(strings.TrimSpace(line), ":")); ok {
			return v, true
		}
	}
	return 0, false
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
