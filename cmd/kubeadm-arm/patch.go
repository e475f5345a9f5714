package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runPatch is `kubeadm-arm patch`: manifests brought to this board's numbers, from
// standard input to standard output or in a folder.
func (v invocation) runPatch(o options) error {
	slowdown, err := o.number("slowdown", mostSlowdown)
	if err != nil {
		return err
	}
	settings, err := v.patchSettings(slowdown)
	if err != nil {
		return err
	}
	if len(o.all.Words) == 0 {
		return v.patchStream(settings, o.on("diff"))
	}
	return v.patchFolder(o.all.Words[0], settings, o.on("diff"))
}

// mostSlowdown is far beyond any board: the slowest one seen is 200 times slower than
// the reference board.
const mostSlowdown = 1e4

// patchSettings are those that init would use on this board.
func (v invocation) patchSettings(slowdown float64) (map[string]patch.Settings, error) {
	speed := plan.Reference()
	if slowdown > 0 {
		speed = speed.Times(slowdown)
	} else {
		stop := v.listen()
		defer stop.close()
		res, err := bench.Run(stop.ctx, bench.Options{Short: true})
		if err != nil {
			return nil, err
		}
		speed = plan.SpeedOf(res, "")
	}
	board, err := hwdetect.Read("/")
	if err != nil {
		return nil, err
	}
	behaviour, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: kubeadm.NewestMinor})
	if err != nil {
		return nil, err
	}
	return plan.Patches(plan.Facts{Board: board, Speed: speed, Kubeadm: behaviour}), nil
}

const maxStream = 16 << 20

func (v invocation) patchStream(all map[string]patch.Settings, diff bool) error {
	text, err := safefile.ReadAll(v.stdin, "standard input", maxStream)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	about, err := patch.Inspect(text)
	if err != nil {
		return badManifest("standard input", err)
	}
	out, changes, err := patch.Apply(text, all[about.Component])
	if err != nil {
		return badManifest("standard input", err)
	}
	if diff {
		return v.showDiff(about.Component, about.Component+".yaml", text, out, changes)
	}
	_, err = v.rawStdout.Write(out) // a file for the kubelet: every byte counts, and YAML has no control characters
	return err
}

func badManifest(name string, err error) error {
	hint := ""
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	if hint == "" {
		hint = "have kubeadm write the file again"
	}
	return &problem{exitBadInput, hint, fmt.Errorf("%s: %w", name, err)}
}

// patchFolder looks at all manifests before it changes the first, so that a bad
// one keeps the others as they are.
func (v invocation) patchFolder(dir string, all map[string]patch.Settings, diff bool) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = fmt.Errorf("%s is not a folder", dir)
		}
		return unreadable(err, "name a folder such as /etc/kubernetes/manifests")
	}
	found := map[string][]byte{}
	for _, c := range plan.Components() {
		path := filepath.Join(dir, c+".yaml")
		text, err := safefile.Read(path, maxStream)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return unreadable(err, "name a folder of static pod manifests")
		}
		about, err := patch.Inspect(text)
		if err == nil && about.Component != c {
			err = fmt.Errorf("it is the manifest of %s", about.Component)
		}
		if err == nil {
			_, _, err = patch.Apply(text, all[c])
		}
		if err != nil {
			return badManifest(path, err)
		}
		found[c] = text
	}
	if len(found) == 0 {
		return &problem{exitBadInput, "name a folder such as /etc/kubernetes/manifests",
			fmt.Errorf("patch: no control-plane manifest in %s", dir)}
	}
	for _, c := range plan.Components() {
		text, ok := found[c]
		if !ok {
			continue
		}
		path := filepath.Join(dir, c+".yaml")
		out, changes, err := patch.Apply(text, all[c])
		if err != nil {
			return badManifest(path, err)
		}
		if diff {
			if err := v.showDiff(c, path, text, out, changes); err != nil {
				return err
			}
			continue
		}
		if changes, err = patch.ApplyFile(path, all[c]); err != nil {
			return err
		}
		if err := v.showChanges(c, text, out, changes); err != nil {
			return err
		}
	}
	return nil
}

// unreadable is an error about an input file that cannot be read: another user
// may.
func unreadable(err error, hint string) error {
	if errors.Is(err, fs.ErrPermission) {
		return &problem{exitNotRoot, "run it again with sudo", err}
	}
	return &problem{exitBadInput, hint, err}
}

// showDiff shows each change with its reason and then the difference, in the
// form that patch(1) reads.
func (v invocation) showDiff(component, name string, before, after []byte, changes []patch.Change) error {
	if err := v.showChanges(component, before, after, changes); err != nil {
		return err
	}
	_, err := io.WriteString(v.stdout, patch.Diff(name, before, after))
	return err
}

// showChanges lists what is changed and why, and how long the kubelet then waits
// before it ends the component.
func (v invocation) showChanges(component string, before, after []byte, changes []patch.Change) error {
	if len(changes) == 0 {
		_, err := printable.Fprintf(v.stdout, "%s: nothing to change\n", component)
		return err
	}
	for _, c := range changes {
		old := c.Old
		if old == "" {
			old = "(unset)"
		}
		arrow := "->"
		if c.Kept {
			arrow = "kept, not"
		}
		if _, err := printable.Fprintf(v.stdout, "%s: %s %s %s  # %s\n", c.Target, old, arrow, c.New, c.Reason); err != nil {
			return err
		}
	}
	lines, err := killTimes(component, before, after)
	if err == nil {
		_, err = io.WriteString(v.stdout, lines)
	}
	return err
}

// killTimes says how long a component may be silent before its kubelet ends it,
// before and after, for those of the two times that change.
func killTimes(component string, before, after []byte) (string, error) {
	was, err := patch.Inspect(before)
	if err != nil {
		return "", err
	}
	is, err := patch.Inspect(after)
	if err != nil {
		return "", err
	}
	text := ""
	add := func(when string, of func(patch.About) (patch.Kill, bool)) {
		old, hadOld := of(was)
		now, has := of(is)
		if has && hadOld && old != now {
			text += fmt.Sprintf("%s: %s, the kubelet ends it after %s to %s (before: %s to %s)\n", component, when,
				now.FailingFast.Min, now.Slow.Max, old.FailingFast.Min, old.Slow.Max)
		}
	}
	add("never healthy since its start", patch.About.Starting)
	add("once healthy and then silent", patch.About.Started)
	return text, nil
}
