package bootstrap

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// closingWords cuts kubeadm's own ending out of its output: from "initialized
// successfully" to the end (cmd/kubeadm/app/cmd/phases/init/showjoincommand.go).
func closingWords(output string) string {
	const first = "Your Kubernetes control-plane has initialized successfully!"
	const older = "Your Kubernetes master has initialized successfully!" // up to v1.13
	for _, start := range []string{first, older} {
		if i := strings.LastIndex(output, start); i >= 0 {
			return strings.TrimRight(output[i:], "\n") + "\n"
		}
	}
	return ""
}

// lastError is the line of a failed command that says most.
func lastError(err error) string {
	var cmd *kubeadm.CommandError
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

// lineTeller tells each whole line that kubeadm prints as the detail of the
// step, and passes everything on.
type lineTeller struct {
	tell func(string)
	next io.Writer
	rest []byte
}

func (l *lineTeller) Write(p []byte) (int, error) {
	if l.next != nil {
		if _, err := l.next.Write(p); err != nil {
			return 0, err
		}
	}
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		// Only kubeadm's own "[phase] …" lines: others may hold the token.
		if line := strings.TrimSpace(string(l.rest[:i])); strings.HasPrefix(line, "[") && !strings.Contains(strings.ToLower(line), "token:") && !strings.Contains(line, "certificate key") {
			l.tell(Redact(line))
		}
		l.rest = l.rest[i+1:]
	}
}
