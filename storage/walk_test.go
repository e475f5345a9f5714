package storage

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// TestWalkApply kills an apply with SIGKILL around each of its changes of the
// board, boots the board in between or does not, lets an etcd write if it can,
// and goes on with apply or with undo. No byte may be lost, fstab is whole at
// every instant.
func TestWalkApply(t *testing.T) {
	if !walk(t, "apply killed, then apply or undo") {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	before, unchanged := snapshots(t), listing(t)
	s.clear()
	s.save("fresh")
	s.up()
	list, _ := s.child("apply", 0, true)
	after, err := os.ReadFile(fstabPath)
	require.NoError(t, err)
	steps := strings.Count(list, "\n")
	require.Greater(t, steps, 40)
	require.Equal(t, before, snapshots(t))
	s.clear()
	t.Logf("%d changes of apply", steps)
	trial, tried := 0, 0
	for at := 1; at <= steps; at++ {
		for i, next := range []string{"apply", "undo"} {
			if !walkAll() && (at%4 != 1 || at/4%2 != i) {
				continue
			}
			if trial++; takes(trial) {
				s.applyKilled(at, next, before, unchanged, string(after))
				s.clear()
				tried++
			}
		}
	}
	t.Logf("tried %d", tried)
}

// applyKilled is one trial of TestWalkApply: before are the folders' pictures,
// unchanged that of everything, after is fstab's text with the lines of apply.
func (s *stage) applyKilled(at int, next string, before map[string]string, unchanged, after string) {
	t := s.t
	boot := (at/2+len(next))%2 == 0
	s.load("fresh")
	s.up()
	_, killed := s.child("apply", at, false)
	require.True(t, killed)
	s.checkFstab(ownersFstab, after)
	if boot {
		s.reboot()
	}
	want, wrote := etcdWrites(t, before)
	if next == "undo" && !durable.Exists(journalPath) {
		// Killed before there was a journal: nothing was changed.
		require.Equal(t, want, snapshots(t))
		return
	}
	s.finish(next, want)
	for f, p := range snapshots(t) {
		require.True(t, want[f] == p, "%s after change %d, then %s, boot %v, written %v", f, at, next, boot, wrote)
	}
	m, err := readMounts()
	require.NoError(t, err)
	for _, f := range testFolders() {
		require.Equal(t, next == "apply", m.bound("/mnt/root", f), f)
	}
	if next == "apply" {
		s.checkFstab(after, after)
		s.checkGuarded()
		return
	}
	s.checkFstab(ownersFstab, ownersFstab)
	if !wrote {
		require.Equal(t, unchanged, listing(t))
	}
}

// TestWalkUndo does the same with undo, with data that was written to since and
// with data that was not.
func TestWalkUndo(t *testing.T) {
	if !walk(t, "undo killed, then undo") {
		return
	}
	trial, tried := 0, 0
	for _, written := range []bool{true, false} {
		s := newStage(t)
		s.up()
		s.populate()
		unchanged := ""
		if !written {
			unchanged = listing(t)
		}
		s.child("apply", 0, false)
		applied, err := os.ReadFile(fstabPath)
		require.NoError(t, err)
		before := snapshots(t)
		if written {
			before, _ = etcdWrites(t, before)
		}
		s.clear()
		s.save("applied")
		s.up()
		s.boot()
		list, _ := s.child("undo", 0, true)
		require.Equal(t, before, snapshots(t))
		s.clear()
		steps := strings.Count(list, "\n")
		require.Greater(t, steps, 20)
		t.Logf("%d changes of undo", steps)
		for at := 1; at <= steps; at++ {
			if !walkAll() && (written && at%4 != 1 || !written && at%12 != 3) {
				continue
			}
			if trial++; takes(trial) {
				s.undoKilled(at, before, unchanged, string(applied))
				s.clear()
				tried++
			}
		}
	}
	t.Logf("tried %d", tried)
}

// undoKilled is one trial of TestWalkUndo: unchanged is the picture of everything
// before apply, empty if the data was written to since; applied is fstab's text.
func (s *stage) undoKilled(at int, before map[string]string, unchanged, applied string) {
	t := s.t
	s.load("applied")
	s.up()
	s.boot()
	_, killed := s.child("undo", at, false)
	require.True(t, killed)
	s.checkFstab(ownersFstab, applied)
	if at/2%2 == 0 {
		s.reboot()
	}
	want, wrote := etcdWrites(t, before)
	if durable.Exists(journalPath) {
		if j, err := readJournal(); err == nil && j.UUID != "" {
			s.finish("undo", want)
		}
	}
	for f, p := range snapshots(t) {
		require.True(t, want[f] == p, "%s after change %d, written %v", f, at, wrote)
	}
	s.checkFstab(ownersFstab, ownersFstab)
	if unchanged != "" && !wrote {
		require.Equal(t, unchanged, listing(t))
	}
}

// finish goes on with a run that was killed. Where two copies differ and it asks
// which one is right, both must be there, and the one that is as it should be is
// chosen.
func (s *stage) finish(do string, want map[string]string) {
	s.t.Helper()
	out, err := s.try(do)
	for range testFolders() {
		if err == nil {
			return
		}
		one, other := s.differing(out)
		require.NotEmpty(s.t, one, "%s: %s", do, out)
		use := one
		if f := strings.TrimPrefix(one, "/mnt/root"); snapshot(s.t, one) != want[f] {
			use = other
			require.Equal(s.t, want[f], snapshot(s.t, other), "neither copy is what it was")
		}
		s.use = append(s.use, use)
		out, err = s.try(do)
	}
	require.NoError(s.t, err, "%s: %s", do, out)
}

// differing reads the two copies from the question which one is right.
func (s *stage) differing(out string) (one, other string) {
	for line := range strings.Lines(out) {
		if a, rest, ok := strings.Cut(line, " and "); ok && strings.HasPrefix(a, "/") {
			other, _, _ := strings.Cut(rest, " differ (")
			return a, other
		}
	}
	return "", ""
}

// walkAll has every change and every way of going on tried (make storage-walk).
// Otherwise it is each fourth, which keeps the usual tests short.
func walkAll() bool { return os.Getenv("STORAGE_WALK") == "all" }

// checkFstab wants one of two texts, and findmnt(8) content with it.
func (s *stage) checkFstab(one, other string) {
	s.t.Helper()
	text, err := os.ReadFile(fstabPath)
	require.NoError(s.t, err)
	if string(text) != one {
		require.Equal(s.t, other, string(text))
	}
	if s.verified[string(text)] {
		return
	}
	// Without udevd libblkid asks every device itself, and misses one that another
	// test takes away meanwhile.
	require.Eventually(s.t, func() bool {
		out, _ := exec.Command("findmnt", "--verify", "--tab-file", fstabPath).CombinedOutput()
		return strings.Contains(string(out), "0 parse errors, 0 errors")
	}, time.Hour, 100*time.Millisecond, "findmnt --verify")
	s.verified[string(text)] = true
}

// walk runs the rest of a test in processes of their own, which share the trials
// out: most of their time is waiting for the kernel and for programs.
func walk(t *testing.T, what string) (inside bool) {
	t.Helper()
	printed := onStages(t, 2*runtime.NumCPU())
	if printed == nil {
		return true
	}
	trials := 0
	for _, out := range printed {
		for _, m := range regexp.MustCompile(`tried (\d+)`).FindAllStringSubmatch(out, -1) {
			n, _ := strconv.Atoi(m[1])
			trials += n
		}
	}
	require.Positive(t, trials)
	changes := regexp.MustCompile(`\d+ changes of [a-z ]+`).FindAllString(printed[0], -1)
	t.Logf("result: %s: %d trials (%s), none with loss", what, trials, strings.Join(changes, ", "))
	return false
}

// etcdWrites is an etcd that is started now, whoever starts it: where it finds a
// database it writes into it, where it finds none it would begin one.
func etcdWrites(t *testing.T, before map[string]string) (want map[string]string, wrote bool) {
	t.Helper()
	const etcd = "/var/lib/etcd"
	want = map[string]string{}
	for f, p := range before {
		want[f] = p
	}
	_, err := os.Stat(etcd + "/member/snap/db")
	if err != nil {
		require.Error(t, os.MkdirAll(etcd+"/member/snap", 0o700), "an empty database was begun")
		return want, false
	}
	require.NoError(t, os.WriteFile(etcd+"/member/wal/1.wal", []byte("written since"), 0o600))
	want[etcd] = snapshot(t, etcd)
	return want, true
}

// checkGuarded looks below the mounts.
func (s *stage) checkGuarded() {
	s.t.Helper()
	for _, f := range testFolders() {
		require.NoError(s.t, exec.Command("umount", f).Run())
		require.True(s.t, isGuardNow(s.t, f), f)
		require.True(s.t, protected(f), f)
		require.Error(s.t, os.WriteFile(f+"/x", nil, 0o600))
	}
}
