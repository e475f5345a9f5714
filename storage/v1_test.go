package storage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Journals as kubeadm-arm 1.13.1 left them, at rest and where it was killed.
func TestJournalV1(t *testing.T) {
	const shell = `{"version":1,%s"uuid":"u","fsType":"ext4","mount":"/mnt/root","folders":[{"path":"/var/lib/etcd",%s"etcd":true}],` +
		`"kept":["/var/lib/etcd.before-storage-x"]}`
	const before = `"before":"/var/lib/etcd.before-storage-x",`
	for _, c := range []struct {
		doing, folder string
		want          state
	}{
		{"", `"sum":"s","placed":true,"switched":true,"done":true,` + before, onDisk},
		{"", `"sum":"s","placed":true,"switched":true,` + before, onDisk},
		{`"doing":"apply",`, before, copying},
		{`"doing":"apply",`, `"sum":"s",` + before, copied},
		{`"doing":"apply",`, `"sum":"s","placed":true,` + before, switching},
		{`"doing":"apply",`, `"sum":"s","placed":true,"switched":true,` + before, moved},
		{`"doing":"undo",`, `"sum":"s","placed":true,"switched":true,"done":true,` + before, onDisk},
		{`"doing":"undo",`, `"sum":"s","placed":true,"switched":true,"back":"/var/lib/b","backSum":"t",` + before, restoring},
		{`"doing":"undo",`, `"sum":"s","placed":true,"back":"/var/lib/b","backSum":"t","newer":true,` + before, switching},
		{`"doing":"undo",`, `"sum":"s","placed":true,"switched":true,"back":"/var/lib/b","backSum":"t","restored":true,` + before, finished},
		{`"doing":"apply",`, `"placed":true,"adopted":true,`, switching},
	} {
		j, err := parseJournal([]byte(fmt.Sprintf(shell, c.doing, c.folder)))
		require.NoError(t, err, c.folder)
		f := j.Folders[0]
		assert.Equal(t, c.want, f.State, "%s %s", c.doing, c.folder)
		assert.True(t, f.Guard.Unrecorded)
		assert.Equal(t, "/mnt/root/var/lib/.kubeadm-arm-copy-etcd", f.Names.Copy)
		// And what is written is read again.
		text, err := json.Marshal(j)
		require.NoError(t, err)
		again, err := parseJournal(text)
		require.NoError(t, err)
		assert.Equal(t, j, again)
	}
}

func TestJournalRefused(t *testing.T) {
	for text, says := range map[string]string{
		``:               "unexpected end",
		`[]`:             "cannot unmarshal",
		`{"version":3}`:  "version 3",
		`{"version":-1}`: "version -1",
		`{"version":2,"doing":"dance","uuid":"u","mount":"/mnt"}`:                                "neither apply nor undo",
		`{"version":2,"doing":"undo"}`:                                                           "uuid",
		`{"version":2,"uuid":"u","mount":"mnt"}`:                                                 "mount",
		`{"version":2,"uuid":"u","mount":"/mnt","folders":[null]}`:                               "null",
		`{"version":1,"uuid":"u","mount":"/mnt","folders":[null]}`:                               "null",
		`{"version":2,"uuid":"u","mount":"/mnt","folders":[{"path":"/","state":"moved"}]}`:       "not a whole path",
		`{"version":2,"uuid":"u","mount":"/mnt","folders":[{"path":"/a/../b","state":"moved"}]}`: "not a whole path",
		`{"version":2,"uuid":"u","mount":"/mnt","folders":[{"path":"/a/b","state":"flown"}]}`:    "flown",
		`{"version":2,"uuid":"u","mount":"/mnt","folders":[{"path":"/a/b","state":"moved"}]}`:    "not a whole path",
		`{"version":1,"uuid":"u","mount":"/mnt","folders":[{"path":"/a/b"},{"path":"/a/b"}]}`:    "twice",
		`{"version":2,"keptCopies":[{"path":"../x"}],"uuid":"u","mount":"/mnt"}`:                 "not a whole path",
	} {
		_, err := parseJournal([]byte(text))
		require.ErrorContains(t, err, says, text)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"doing":"apply","uuid":"u","mount":"/mnt/root","folders":[{"path":"/var/lib/etcd","sum":"s"}]}`))
	f.Add([]byte(`{"version":2,"uuid":"u","mount":"/mnt","folders":[{"path":"/a/b","state":"moved","names":{"copy":"/c"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parseJournal(text)
		if err != nil {
			return
		}
		for _, folder := range j.Folders {
			_ = j.isGuard(folder, "/nowhere")
		}
		_ = j.clone().block()
	})
}

// A set-up that 1.13.1 made is known, used, and taken back.
func TestUndoOfV1(t *testing.T) {
	if !onStage(t) {
		return
	}
	s := newStage(t)
	s.up()
	s.populate()
	before, data := listing(t), snapshots(t)
	ctx := t.Context()
	b := testBoard()
	_, err := b.Apply(ctx, Request{Device: s.device(), Folders: testFolders()})
	require.NoError(t, err)
	s.asV1()
	require.NoError(t, b.Guard(ctx, nil))
	status, err := b.ReadStatus(ctx)
	require.NoError(t, err)
	assert.Empty(t, status.Findings)
	// A folder that only looks like a guard folder is none, also then.
	for _, f := range testFolders() {
		s.sh("umount", f)
	}
	j, err := readJournal()
	require.NoError(t, err)
	fake := filepath.Join("/var/lib", "fake")
	require.NoError(t, os.Mkdir(fake, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(fake, guardFile), guardText("/var/lib/etcd", "UUID="+j.UUID), 0o444))
	assert.True(t, j.isGuard(j.folder("/var/lib/etcd"), "/var/lib/etcd"))
	assert.False(t, j.isGuard(j.folder("/var/lib/etcd"), fake), "it is not immutable")
	require.NoError(t, os.RemoveAll(fake))
	_, err = b.Apply(ctx, Request{})
	require.NoError(t, err)
	require.NoError(t, b.Undo(ctx, UndoOptions{}))
	assert.Equal(t, data, snapshots(t))
	assert.Equal(t, before, listing(t))
}

// asV1 writes the journal as 1.13.1 would have, and takes what it did not record
// from the guard folders.
func (s *stage) asV1() {
	s.t.Helper()
	j, err := readJournal()
	require.NoError(s.t, err)
	old := journalV1{UUID: j.UUID, FSType: j.FSType, Mount: j.Mount, Made: j.Made, Backup: j.Backup}
	for _, f := range j.Folders {
		old.Folders = append(old.Folders, &folderV1{Path: f.Path, Sum: f.Sum, Before: f.Names.Before, Etcd: f.Etcd,
			Placed: true, Switched: true, Done: true})
	}
	for _, k := range j.Kept {
		old.Kept = append(old.Kept, k.Path)
	}
	text, err := json.Marshal(struct {
		Version int `json:"version"`
		journalV1
	}{1, old})
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(journalPath, text, 0o600))
}

// A journal of this version keeps its names: those that boards have on their cards are
// read, and written as they were.
func TestJournalKeepsItsNames(t *testing.T) {
	const text = `{"version": 2, "board": "b", "doing": "undo", "uuid": "11", "hardware": ["s"], "fsType": "ext4", "mount": "/mnt/root",
		"ownersLine": true, "wasMounted": true, "made": ["/mnt/root"], "fstabBackup": "/etc/fstab.before-storage-20261130-120000", "stopped": ["kubelet"],
		"folders": [{"path": "/var/lib/etcd", "state": "returned", "sum": "1", "etcd": true, "return": "/var/lib/b", "returnSum": "1", "use": "/var/lib/etcd",
			"names": {"copy": "/mnt/root/c", "guard": "/var/lib/g", "back": "/var/lib/b", "before": "/var/lib/o"},
			"guardID": {"token": "t", "inode": 7, "birth": 8, "unrecorded": true}}],
		"keptCopies": [{"path": "/var/lib/o", "of": "/var/lib/etcd", "sum": "1", "why": "w", "in": {"inode": 2, "birth": 3}}]}`
	j, err := parseJournal([]byte(text))
	require.NoError(t, err)
	again, err := json.Marshal(j)
	require.NoError(t, err)
	// Up to 0.1.0 kept copies had a fingerprint; without it that version removes one only
	// if it is named, as this one does.
	assert.JSONEq(t, strings.Replace(text, `"sum": "1", "why"`, `"why"`, 1), string(again))
}
