package kubeadm

import (
	"context"
	"fmt"
	"strings"
)

// AskVersion asks a kubeadm binary for its version with
// `kubeadm version -o short`, which every kubeadm since v1.9 answers offline.
func AskVersion(ctx context.Context, run Runner, path string) (Version, error) {
	res, err := run(ctx, Command{Path: path, Args: []string{"version", "-o", "short"}})
	if err != nil {
		return Version{}, err
	}
	v, err := ParseVersion(strings.TrimSpace(string(res.Stdout)))
	if err != nil {
		return Version{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	return v, nil
}
