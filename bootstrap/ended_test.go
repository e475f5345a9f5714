package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A board without systemd has no unit, one with it has. Both are walked.
func (b *fakeBoard) withSystemd() *fakeBoard {
	b.WithSystemd()
	return b
}

func (b *fakeBoard) optionsHere() Options {
	o := b.options("--token=abcdef.0123456789abcdef")
	o.Program = packaged
	return o
}

// tree is every file below /etc with its mode and text, less what a run needs
// only while it runs.
func (b *fakeBoard) tree() map[string]string {
	all := map[string]string{}
	err := filepath.WalkDir(b.layout.At("/etc"), func(path string, d fs.DirEntry, err error) error {
		require.NoError(b.t, err)
		info, err := d.Info()
		require.NoError(b.t, err)
		text := ""
		if info.Mode().IsRegular() {
			read, err := os.ReadFile(path)
			require.NoError(b.t, err)
			text = strings.ReplaceAll(string(read), b.Address, "SERVER")
			text = strings.ReplaceAll(text, portOf(b.Address), "PORT")
		}
		all[strings.TrimPrefix(path, b.layout.Root)] = info.Mode().String() + " " + text
		return nil
	})
	require.NoError(b.t, err)
	return all
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// requireNothingLost is what holds at every instant: a manifest that was made is
// whole in exactly one place, and nothing secret can be read by others.
func (b *fakeBoard) requireNothingLost() {
	b.t.Helper()
	j, err := journal.Read(b.layout.Journal())
	require.NoError(b.t, err, "the journal can be read or is not there")
	for _, c := range plan.Components() {
		n := 0
		for _, path := range append([]string{b.layout.Manifest(c)}, b.layout.StagedPlaces()[0]+"/"+c+".yaml",
			b.layout.StagedPlaces()[1]+"/"+c+".yaml") {
			text, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			require.NoError(b.t, err)
			n++
			_, err = patch.Inspect(text)
			require.NoError(b.t, err, "%s is whole", path)
		}
		if j != nil && j.Done > 0 {
			require.Equal(b.t, 1, n, "places of %s", c)
		} else {
			require.LessOrEqual(b.t, n, 1, "places of %s", c)
		}
	}
	for path, text := range b.tree() {
		secret := strings.Contains(path, "journal") || strings.Contains(path, "config.yaml") || strings.HasSuffix(path,
			"kubeadm-arm") || strings.Contains(path, "/staged")
		if secret {
			mode, _, _ := strings.Cut(text, " ")
			require.Equal(b.t, "------", mode[len(mode)-6:], "mode of %s", path)
		}
	}
	for _, name := range b.manifestNames() {
		require.True(b.t, strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".yaml"), "the kubelet would read %s", name)
	}
}

func (b *fakeBoard) manifestNames() []string {
	entries, err := os.ReadDir(b.layout.Manifests())
	require.NoError(b.t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// finishBy goes on as a person would, and wants the end of an undisturbed run.
func (b *fakeBoard) finishBy(o Options, want map[string]string) {
	b.t.Helper()
	j, err := Check(b.layout, o.Check)
	var refused *state.RefusedError
	if errors.As(err, &refused) && refused.Reason == state.ClusterHere {
		// Ended after its last step: there is nothing to go on with.
		require.NoFileExists(b.t, b.layout.Journal())
		require.Empty(b.t, manifests.Staged(b.layout))
		require.Equal(b.t, want, b.tree())
		return
	}
	require.NoError(b.t, err)
	o.Layout.FS.Hook = nil
	o.Resume = j
	if j != nil {
		o.Plan = j.Plan
	}
	_, err = Run(context.Background(), o)
	require.NoError(b.t, err)
	require.Equal(b.t, want, b.tree())
}

// undisturbed returns the files of a run that nothing happened to, and how often
// its hook is called.
func undisturbed(t *testing.T) (want map[string]string, changes []durable.Change) {
	b := newFakeBoard(t).withSystemd()
	o := b.optionsHere()
	o.Layout.FS.Hook = func(c durable.Change) error {
		c.Path = strings.TrimPrefix(c.Path, b.layout.Root)
		changes = append(changes, c)
		return nil
	}
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	return b.tree(), changes
}

// TestKilledHere is the process that TestKilledAnywhere kills.
func TestKilledHere(t *testing.T) {
	root := os.Getenv("KILLED_ROOT")
	if root == "" {
		return // not started by TestKilledAnywhere
	}
	b := &fakeBoard{Board: boardtest.At(t, root, os.Getenv("KILLED_ADDRESS")), t: t, layout: state.Layout{Root: root}}
	var at, n int
	_, err := fmt.Sscan(os.Getenv("KILLED_AT"), &at)
	require.NoError(t, err)
	o := b.optionsHere()
	o.Layout.FS.Hook = func(durable.Change) error {
		if n++; n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	_, err = Run(context.Background(), o)
	t.Fatalf("not killed at change %d of %d: %v", at, n, err)
}

// A real process is ended by SIGKILL before and after every change of the disk.
// Nothing is lost, and the same request ends as an undisturbed run does.
func TestKilledAnywhere(t *testing.T) {
	want, changes := undisturbed(t)
	require.Greater(t, len(changes), 100)
	for i, c := range changes {
		t.Run(fmt.Sprintf("%d %s %s %v", i+1, c.Op, filepath.Base(c.Path), c.Done), func(t *testing.T) {
			t.Parallel()
			b := newFakeBoard(t).withSystemd()
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilledHere$")
			cmd.Env = append(os.Environ(), "KILLED_ROOT="+b.layout.Root, "KILLED_ADDRESS="+b.Address,
				fmt.Sprintf("KILLED_AT=%d", i+1))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, "signal: killed", exit.Error(), "%s", out)
			b.requireNothingLost()
			b.finishBy(b.optionsHere(), want)
		})
	}
}

// The same with the boot unit's work between the kill and the repetition: it
// puts everything back once a kubelet is set up, and going on still works.
func TestKilledAndBootedAnywhere(t *testing.T) {
	want, changes := undisturbed(t)
	for i, c := range changes {
		if c.Op != "rename" && c.Op != "link" {
			continue
		}
		t.Run(fmt.Sprintf("%d %s %s %v", i+1, c.Op, filepath.Base(c.Path), c.Done), func(t *testing.T) {
			b := newFakeBoard(t).withSystemd()
			o := b.optionsHere()
			n := 0
			ended := errors.New("ended")
			o.Layout.FS.Hook = func(durable.Change) error {
				if n++; n > i {
					return ended // and nothing is written any more, as after a kill
				}
				return nil
			}
			_, err := Run(context.Background(), o)
			require.ErrorIs(t, err, ended)
			b.requireNothingLost()
			put(t, b.layout.KubeletConfig(), "")
			file, link := b.layout.Unit(), b.layout.UnitLink()
			if len(manifests.Staged(b.layout)) > 0 {
				require.FileExists(t, file, "whenever something is staged, the unit is there")
				target, err := os.Readlink(link)
				require.NoError(t, err)
				require.Equal(t, "/etc/systemd/system/kubeadm-arm-release.service", target)
			}
			b.Sick = 2
			release := releaseOptions(b)
			_, err = manifests.ReleaseInOrder(context.Background(), release)
			require.NoError(t, err)
			if j, err := journal.Read(b.layout.Journal()); err == nil && j != nil && j.Done > 0 {
				require.Len(t, b.Manifests(), 4, "never for good without scheduler and controller-manager")
			}
			require.Empty(t, manifests.Staged(b.layout))
			b.finishBy(b.optionsHere(), want)
		})
	}
}

// Every change of the disk fails once, or from there on for good, with a full or
// broken disk. Nothing is lost, the error says why, and once there is room the
// same request goes on to the end.
func TestDiskFailsAnywhere(t *testing.T) {
	want, changes := undisturbed(t)
	for i, c := range changes {
		if c.Done {
			continue
		}
		for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
			for _, forGood := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d %s %s %v %v", i+1, c.Op, filepath.Base(c.Path), fault, forGood), func(t *testing.T) {
					t.Parallel()
					b := newFakeBoard(t).withSystemd()
					o := b.optionsHere()
					n := 0
					o.Layout.FS.Hook = func(c durable.Change) error {
						n++
						if !c.Done && (n == i+1 || forGood && n > i) {
							return fault
						}
						return nil
					}
					_, err := Run(context.Background(), o)
					require.ErrorIs(t, err, fault)
					b.requireNothingLost()
					if !forGood {
						assert.Empty(t, manifests.Staged(b.layout), "put back")
					}
					b.finishBy(b.optionsHere(), want)
				})
			}
		}
	}
}
