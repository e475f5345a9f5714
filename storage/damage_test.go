package storage

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// TestWalkDamaged kills apply and undo around each of their changes, then has fsck
// empty etcd's database in one of its copies, and goes on. The other copy must
// live, and be in place once it is chosen, or still be kept where nothing was asked.
func TestWalkDamaged(t *testing.T) {
	if !walk(t, "apply or undo killed, a database emptied, then apply or undo") {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	s.clear()
	s.save("fresh")
	s.up()
	apply, _ := s.child("apply", 0, true)
	s.clear()
	s.save("applied")
	s.up()
	s.boot()
	undo, _ := s.child("undo", 0, true)
	s.clear()
	t.Logf("%d changes of apply, %d changes of undo", strings.Count(apply, "\n"), strings.Count(undo, "\n"))
	trial, damaged := 0, 0
	for _, c := range []struct{ from, verb, list string }{{"fresh", "apply", apply}, {"applied", "undo", undo}} {
		for at := 1; at <= strings.Count(c.list, "\n"); at++ {
			for i, next := range []string{"apply", "undo"} {
				if !walkAll() && (at%27 != 4 || at/27%2 != i) || c.verb == "undo" && next == "apply" {
					continue
				}
				if trial++; !takes(trial) {
					continue
				}
				for which := range 3 {
					if s.damagedWalk(c.from, c.verb, at, next, which) {
						damaged++
					}
					s.clear()
				}
			}
		}
	}
	t.Logf("tried %d", damaged)
}

// damagedWalk is one of them; false if there were not two copies to choose from.
func (s *stage) damagedWalk(from, verb string, at int, next string, which int) bool {
	t := s.t
	s.load(from)
	s.up()
	if from == "applied" {
		s.boot()
	}
	_, killed := s.child(verb, at, false)
	require.True(t, killed)
	if at%2 == 0 {
		s.reboot()
	}
	if !durable.Exists(journalPath) {
		return false
	}
	dbs := s.databases(which)
	if len(dbs) < 2 || which >= len(dbs) {
		return false
	}
	out, err := s.try(next)
	require.NotEmpty(t, s.databases(-1), "%s killed at %d, %s emptied, %s: %s", verb, at, dbs[which], next, out)
	if err == nil {
		return true
	}
	one, other := s.differing(out)
	require.NotEmpty(t, one, "%s killed at %d, %s emptied, %s: %s", verb, at, dbs[which], next, out)
	for _, use := range []string{one, other} {
		if info, err := os.Stat(use + etcdDB); err == nil && info.Size() > 0 {
			s.use = append(s.use, use)
		}
	}
	require.Len(t, s.use, 1, "one of the two is good")
	out, err = s.try(next)
	require.NoError(t, err, out)
	info, err := os.Stat("/var/lib/etcd" + etcdDB)
	require.NoError(t, err)
	require.EqualValues(t, 400_000, info.Size(), "%s killed at %d, %s emptied, %s", verb, at, dbs[which], next)
	return true
}

// databases are etcd's databases that are whole, on card and disk. If there are two
// at least, it empties one of them.
func (s *stage) databases(which int) []string {
	disk := filepath.Join(s.dir, "look")
	require.NoError(s.t, os.MkdirAll(disk, 0o755))
	if exec.Command("mountpoint", "-q", disk).Run() != nil {
		require.NoError(s.t, exec.Command("mount", s.disk, disk).Run())
	}
	var all []string
	for _, top := range []string{filepath.Join(s.dir, "mounted", "lib"), disk} {
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "db" {
				if info, err := d.Info(); err == nil && info.Size() == 400_000 {
					all = append(all, path)
				}
			}
			return nil
		})
	}
	if which >= 0 && which < len(all) && len(all) > 1 {
		require.NoError(s.t, os.Truncate(all[which], 0))
	}
	require.NoError(s.t, exec.Command("umount", disk).Run())
	return all
}
