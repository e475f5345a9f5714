package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A board that needed staging needs it at every start: otherwise the kubelet starts all
// four components at once, and they slow each other down as in the bootstrap.

// WriteBootList leaves the list of what is staged when the board starts, where there
// is a unit that puts it back.
func WriteBootList(l state.Layout, names []string) error {
	if err := l.FS.WriteFile(l.BootList(), []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the list of what is staged when the board starts: %w", err)
	}
	return nil
}

// BootList reads that list. Names of anything but control-plane components are ignored.
func BootList(l state.Layout) ([]string, error) {
	text, err := safefile.Read(l.BootList(), state.MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of what is staged when the board starts: %w", err)
	}
	listed := strings.Fields(string(text))
	return slices.DeleteFunc(plan.Components(), func(c string) bool { return !slices.Contains(listed, c) }), nil
}

// StageAtBoot stages what the list names, before the kubelet starts. Where the
// kubelet or a control plane is running already it does nothing, as staging would end
// them.
func StageAtBoot(l state.Layout) (held []string, err error) {
	names, err := BootList(l)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if len(linux.Proc(l.Proc()).Named("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller")) > 0 {
		return nil, nil
	}
	unlock, err := state.EnterWithin(l, time.Minute)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, c := range names {
		if !durable.Exists(l.Manifest(c)) {
			continue // staged already, or the owner removed it
		}
		if err := Stage(l, c); err != nil {
			return held, errors.Join(err, PutBack(l, held))
		}
		held = append(held, c)
	}
	return held, nil
}

// PutBack releases components after a staging that failed: all start at once, as without it.
func PutBack(l state.Layout, held []string) (err error) {
	for _, c := range held {
		err = errors.Join(err, Release(l, c))
	}
	return err
}

// RemoveBootList removes it.
func RemoveBootList(l state.Layout) error {
	return l.FS.Remove(l.BootList())
}
