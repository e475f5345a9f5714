package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// AskVersion asks a kubeadm binary for its version with
// `kubeadm version -o short`, which every kubeadm since v1.9 answers offline.
func AskVersion(ctx context.Context, run Runner, path string) (Version, error) {
	res, err := run(ctx, Command{Path: path, Args: []string{"version", "-o", "short"}, Patience: AskPatience})
	if ctx.Err() != nil {
		return Version{}, err
	}
	if err != nil {
		var cmd *CommandError
		if errors.As(err, &cmd) {
			if line := lastLine(cmd.Tail); line != "" {
				err = fmt.Errorf("%w: %s", err, line)
			}
		}
		return Version{}, &NotFoundError{Asked: path, Err: fmt.Errorf("it does not report its version: %w", err)}
	}
	v, err := ParseVersion(strings.TrimSpace(string(res.Stdout)))
	if err != nil {
		return Version{}, &NotFoundError{Asked: path, Err: fmt.Errorf("it does not report its version: %w", err)}
	}
	return v, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
