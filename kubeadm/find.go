package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// NotFoundError says that there is no real kubeadm to run.
type NotFoundError struct {
	// Asked is the path that the owner named; empty when PATH was searched.
	Asked string
	// Searched is the PATH that was walked.
	Searched string
	// Skipped lists the kubeadms that turned out to be this very program.
	Skipped []string
	Err     error
}

func (e *NotFoundError) Error() string {
	if e.Asked != "" {
		return fmt.Sprintf("find kubeadm: %s: %v", e.Asked, e.Err)
	}
	text := fmt.Sprintf("find kubeadm: no kubeadm in PATH (%s)", e.Searched)
	if len(e.Skipped) > 0 {
		text += fmt.Sprintf("; %s is kubeadm-arm itself", strings.Join(e.Skipped, ", "))
	}
	return text
}

func (e *NotFoundError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *NotFoundError) Hint() string {
	return "install kubeadm, or name it with --arm-kubeadm PATH or KUBEADM_ARM_KUBEADM"
}

// Find returns the absolute path of the real kubeadm: asked when it is not
// empty, else the first executable called kubeadm in the folders of pathList
// (the form of $PATH). Whatever is the same file (device and inode, links
// followed) as self is passed over, so that a link named kubeadm to this
// program never runs itself. The error is a [*NotFoundError].
func Find(asked, pathList string, self os.FileInfo) (string, error) {
	if asked != "" {
		info, err := os.Stat(asked)
		if err == nil {
			err = runnable(info, self)
		}
		if err != nil {
			return "", &NotFoundError{Asked: asked, Err: err}
		}
		return filepath.Abs(asked)
	}
	missing := &NotFoundError{Searched: pathList, Err: os.ErrNotExist}
	for path := range linux.Candidates(pathList, "kubeadm") {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		switch err := runnable(info, self); {
		case err == nil:
			return path, nil
		case errors.Is(err, errSelf):
			missing.Skipped = append(missing.Skipped, path)
		}
	}
	return "", missing
}

var errSelf = errors.New("it is kubeadm-arm itself")

func runnable(info, self os.FileInfo) error {
	switch {
	case self != nil && os.SameFile(info, self):
		return errSelf
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Mode()&0o111 == 0:
		return errors.New("not executable")
	}
	return nil
}

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
