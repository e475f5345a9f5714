package kubeadm

import (
	"errors"
	"io"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// CutClosingWords cuts kubeadm's own ending out of its output: from "initialized
// successfully" or "joined the cluster" to the end
// (cmd/kubeadm/app/cmd/phases/init/showjoincommand.go, cmd/join.go).
func CutClosingWords(output string) string {
	const first = "Your Kubernetes control-plane has initialized successfully!"
	const older = "Your Kubernetes master has initialized successfully!" // up to v1.13
	const worker = "This node has joined the cluster:"
	const another = "This node has joined the cluster and a new control plane instance was created:"
	for _, start := range []string{first, older, worker, another} {
		if i := strings.LastIndex(output, start); i >= 0 {
			return strings.TrimRight(output[i:], "\n") + "\n"
		}
	}
	return ""
}

// ErrorLine is the line of a failed command that says most.
func ErrorLine(err error) string {
	var cmd *CommandError
	if !errors.As(err, &cmd) {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(cmd.Tail), "\n")
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if rest, ok := strings.CutPrefix(l, "error: "); ok {
			return rest
		}
	}
	for _, l := range lines {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "[ERROR ") || strings.HasPrefix(l, "error execution phase") {
			return l
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// PhaseLines returns a writer that tells each whole line about a phase, without secrets,
// and passes everything on to next, which may be nil.
func PhaseLines(tell func(string), next io.Writer) io.Writer {
	lines := Lines(func(text []byte, _ bool) error {
		// Only kubeadm's own "[phase] …" lines: others may hold the token.
		line := strings.TrimSpace(string(text))
		secret := strings.Contains(strings.ToLower(line), "token:") || strings.Contains(line, "certificate key")
		if strings.HasPrefix(line, "[") && !secret {
			tell(printable.Brief(Redact(line)))
		}
		return nil
	})
	if next == nil {
		return lines
	}
	return io.MultiWriter(next, lines)
}
