package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/stretchr/testify/require"
)

// The state model runs the very transitions of apply, undo and clean on a board
// of a few names instead of file systems, and tries everything: each command, with
// each choice, killed or ended by Ctrl-C before each of its changes, or written into
// by somebody who was not stopped; a start of the board, an etcd that writes, an fsck
// that empties a file or removes a whole copy, in whose place a database is then begun,
// a disk that goes and comes, or has a twin. From every state that is reached that way,
// no content that is whole may be lost, unless the owner names the copy that has it to
// clean, and some command must lead out.
//
// It takes copies for equal in kind: two kept ones of the same content count as one.

// Contents of a folder. An upper-case word is a whole database. "part X" is an
// interrupted copy or removal of X, "torn X" has lost a file's bytes.
const (
	oldData = "OLD"   // of before apply
	newData = "NEW"   // written since
	fresh   = "FRESH" // an empty database that was begun where none was
	isEmpty = "empty"
	isGuard = "guard"
)

const (
	modelFolder = "/var/lib/etcd"
	modelMount  = "/mnt/root"
)

// world is one state of the board.
type world struct {
	Files   map[string]string // by path; those of the disk also while it is not mounted
	Mounted bool
	Bound   bool
	Fstab   bool
	// Disk is "", "gone" or "twin".
	Disk    string
	Journal string
	// Mishaps is how often something may still happen that no command does: fsck
	// empties a file, the disk goes, somebody writes.
	Mishaps int

	// parsed are journals by their text.
	parsed map[string]*journal
}

func (w world) clone() world {
	w.Files = maps.Clone(w.Files)
	return w
}

func (w world) key() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(w.Files)) {
		b.WriteString(path + "=" + w.Files[path] + "\n")
	}
	fmt.Fprint(&b, w.Mounted, w.Bound, w.Fstab, w.Disk, w.Mishaps, w.Journal)
	return b.String()
}

func (w world) onDisk(path string) bool { return tree.Inside(path, modelMount) }

func isWhole(content string) bool {
	return content == oldData || content == newData || content == fresh
}

// contents are the whole databases that are anywhere.
func (w world) contents() map[string]bool {
	all := map[string]bool{}
	for _, c := range w.Files {
		if isWhole(c) {
			all[c] = true
		}
	}
	return all
}

// shown is the path that lies at a path, by way of the bind mount.
func (w world) shown(path string) string {
	if w.Bound && path == modelFolder {
		return modelMount + modelFolder
	}
	return path
}

var errEndless = errors.New("the command does not end")

// modelBoard is a world as a machine.
type modelBoard struct {
	w *world
	// write has somebody write into the folder before that step, counted from 1.
	write, n  int
	exchanges bool
	// stop has the owner press Ctrl-C before that step, with no time left for putting
	// anything in order; cancel is what that does.
	stop   int
	cancel context.CancelFunc
	// cuts are the states before each step: what is left if the process is killed
	// there.
	cuts []world
	// had are the contents just after that write.
	had map[string]bool
}

func (b *modelBoard) step() {
	b.n++
	if b.n == b.stop {
		b.cancel()
	}
	if b.write == 0 && b.stop == 0 {
		b.cuts = append(b.cuts, b.w.clone())
	}
	if b.n == b.write {
		was := b.w.Files[b.w.shown(modelFolder)]
		b.w.written()
		b.had = b.w.contents()
		if was == oldData {
			delete(b.had, oldData) // what it has grown from may go
		}
	}
	if b.n > 400 {
		panic(errEndless)
	}
}

// reads is what each reading of whole folders begins with: it may take minutes, and
// must not begin, or go on, after Ctrl-C.
func (b *modelBoard) reads(ctx context.Context) error {
	if b.stop > 0 && b.n >= b.stop && ctx.Err() == nil {
		panic("folders are read after Ctrl-C")
	}
	return ctx.Err()
}

// written is an etcd that writes to what is at the folder's path.
func (w *world) written() {
	at := w.shown(modelFolder)
	switch c := w.Files[at]; {
	case c == oldData:
		w.Files[at] = newData
	case c == "" || c == isEmpty:
		w.Files[at] = fresh
	}
}

func partOf(content string) string {
	return "part " + strings.TrimPrefix(strings.TrimPrefix(content, "part "), "torn ")
}

func (b *modelBoard) get(path string) string {
	if b.w.onDisk(path) && !b.w.Mounted {
		return ""
	}
	return b.w.Files[b.w.shown(path)]
}

func (b *modelBoard) set(path, content string) {
	if content == "" {
		delete(b.w.Files, path)
	} else {
		b.w.Files[path] = content
	}
}

func (b *modelBoard) save(j *journal) error {
	b.step()
	text, err := json.Marshal(j)
	b.w.Journal = string(text)
	return err
}

func (b *modelBoard) drop() error { b.step(); b.w.Journal = ""; return nil }

func (b *modelBoard) kind(_ *journal, _ *folder, path string) (kind, error) {
	switch b.get(path) {
	case "":
		return nothing, nil
	case isEmpty:
		return empty, nil
	case isGuard:
		return guard, nil
	}
	return data, nil
}

func (b *modelBoard) sum(ctx context.Context, path string) (string, error) {
	if err := b.reads(ctx); err != nil {
		return "", err
	}
	if b.get(path) == "" {
		return "", fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	return "sum of " + b.get(path), nil
}

func (b *modelBoard) same(one, other string) (bool, error) {
	return b.w.shown(one) == b.w.shown(other), nil
}

func (b *modelBoard) contained(ctx context.Context, part, in string, _ bool) (bool, error) {
	if err := b.reads(ctx); err != nil {
		return false, err
	}
	p, i := b.get(part), b.get(in)
	return p == i || p == isEmpty || p == "part "+i || p == "torn "+i, nil
}

func (b *modelBoard) differ(_ context.Context, one, other, _ string) string {
	return one + " and " + other + " differ"
}

func (b *modelBoard) emptied(ctx context.Context, of, in string) (string, error) {
	if err := b.reads(ctx); err != nil {
		return "", err
	}
	if i := b.get(in); strings.HasPrefix(i, "torn ") && !strings.HasPrefix(b.get(of), "torn ") {
		return "db", nil
	}
	return "", nil
}

func (b *modelBoard) copyTree(ctx context.Context, from, to string) (string, error) {
	b.step()
	if b.get(to) != "" {
		return "", os.ErrExist
	}
	whole := b.get(from)
	b.set(to, partOf(whole))
	b.step()
	if err := b.reads(ctx); err != nil {
		return "", err
	}
	b.set(to, whole)
	if b.get(from) != whole {
		return "", errors.New("the copy is not equal")
	}
	return b.sum(ctx, to)
}

func (b *modelBoard) sync(ctx context.Context, _ string) error { return b.reads(ctx) }
func (b *modelBoard) wait() error                              { return nil }
func (b *modelBoard) stampOf(ctx context.Context, path string) (string, error) {
	return b.sum(ctx, path)
}
func (b *modelBoard) protect(*folder) error                 { return nil }
func (b *modelBoard) unprotect(string) error                { return nil }
func (b *modelBoard) start(context.Context, *journal) error { return nil }
func (b *modelBoard) tell(string, ...any)                   {}
func (b *modelBoard) stamp() string                         { return "now" }

func (b *modelBoard) unused(context.Context, string, string) error    { return nil }
func (b *modelBoard) units(context.Context, *journal, []string) error { return nil }
func (b *modelBoard) bound(*journal, *folder) (bool, error)           { return b.w.Bound, nil }

func (b *modelBoard) identity(path string) (guardID, error) {
	switch {
	case !b.w.onDisk(path):
		return guardID{Inode: 1}, nil
	case b.w.Mounted:
		return guardID{Inode: 2}, nil
	}
	return guardID{}, os.ErrNotExist
}

func (b *modelBoard) unusedName(name string) string {
	for n, at := 1, name; ; n++ {
		if b.get(at) == "" {
			return at
		}
		at = fmt.Sprintf("%s-%d", name, n)
	}
}

func (b *modelBoard) makeFolder(_ *journal, path string, _ os.FileMode) error {
	if path == modelMount+modelFolder && b.get(path) == "" {
		b.step()
		b.set(path, isEmpty)
	}
	return nil
}

func (b *modelBoard) rename(from, to string) error {
	b.step()
	if b.get(to) != "" || b.get(from) == "" {
		return os.ErrExist
	}
	c := b.get(from)
	b.set(from, "")
	b.set(to, c)
	return nil
}

func (b *modelBoard) exchange(one, other string) error {
	b.step()
	if !b.exchanges {
		return errors.ErrUnsupported
	}
	if b.get(one) == "" || b.get(other) == "" {
		return os.ErrNotExist
	}
	c, d := b.get(one), b.get(other)
	b.set(one, d)
	b.set(other, c)
	return nil
}

func (b *modelBoard) remove(path string) error {
	b.step()
	if c := b.get(path); c != isEmpty && c != "" {
		return errors.New("not empty")
	}
	b.set(path, "")
	return nil
}

func (b *modelBoard) removeTree(ctx context.Context, path string) error {
	b.step()
	b.set(path, partOf(b.get(path)))
	if err := b.reads(ctx); err != nil {
		return err
	}
	b.step()
	b.set(path, "")
	return nil
}

func (b *modelBoard) makeGuard(_ *journal, _ *folder, path string, save func() error) error {
	b.step()
	b.set(path, isEmpty)
	if err := save(); err != nil {
		return err
	}
	b.set(path, isGuard)
	return nil
}

func (b *modelBoard) removeGuard(path string) error {
	b.step()
	if b.get(path) != isGuard {
		return errors.New("no guard folder")
	}
	b.set(path, "")
	return nil
}

func (b *modelBoard) mountDisk(context.Context, *journal) error {
	if b.w.Mounted {
		return nil
	}
	if b.w.Disk != "" {
		return &RefusedError{NotMounted, errors.New(b.w.Disk), ""}
	}
	b.step()
	b.w.Mounted = true
	return nil
}

func (b *modelBoard) bind(context.Context, *journal, *folder) error {
	if b.w.Bound {
		return nil
	}
	b.step()
	if b.get(modelFolder) == "" || b.get(modelMount+modelFolder) == "" {
		return os.ErrNotExist
	}
	b.w.Bound = true
	return nil
}

func (b *modelBoard) quiet(context.Context, *journal, []string) error {
	if b.w.Bound {
		b.step()
		b.w.Bound = false
	}
	return nil
}

func (b *modelBoard) setUp(_ context.Context, _ *journal, lines []string) error {
	if b.w.Fstab != (lines != nil) {
		b.step()
		b.w.Fstab = lines != nil
	}
	return nil
}

func (b *modelBoard) leaveDisk(context.Context, *journal) error {
	if b.w.Mounted {
		b.step()
		if b.get(modelMount+modelFolder) == isEmpty {
			b.set(modelMount+modelFolder, "")
		}
		b.w.Mounted = false
	}
	return nil
}

func (w *world) readJournal() *journal {
	j := w.parsed[w.Journal]
	if j == nil {
		j = &journal{Version: journalVersion}
		if w.Journal != "" {
			_ = json.Unmarshal([]byte(w.Journal), j)
		}
		w.parsed[w.Journal] = j
	}
	return j.clone()
}

// A action is a command with its flags.
type action struct {
	verb        string
	use         string
	withoutDisk bool
}

func (d action) String() string {
	return fmt.Sprintf("%s --use=%s --without-disk=%v", d.verb, d.use, d.withoutDisk)
}

// do carries a command out as Board.Apply, Undo and Clean do.
func (b *modelBoard) do(d action) (err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case errEndless:
			err = errEndless
		default:
			panic(r)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.cancel = cancel
	j := b.w.readJournal()
	var use []string
	if d.use != "" {
		use = []string{d.use}
	}
	m := newMover(b, j, d.verb, use)
	m.withoutDisk = d.withoutDisk
	refused := &RefusedError{Unsuitable, errors.New("refused"), ""}
	switch d.verb {
	case "apply":
		if j.Doing == "undo" || b.w.Disk != "" && !b.w.Mounted {
			return refused
		}
		resumed := j.Doing == "apply"
		if j.UUID == "" {
			j.UUID, j.Mount = "1", modelMount
			j.Folders = []*folder{{Path: modelFolder, State: planned, Names: names{
				Copy: modelMount + "/copy", Guard: "/guard", Back: "/back", Before: "/before"}}}
		}
		return m.applyOrTakeBack(ctx, resumed, func() error { j.Doing = "apply"; return m.record() })
	case "undo":
		if j.UUID == "" || d.withoutDisk && (b.w.Mounted || b.w.Disk == "") {
			return refused
		}
		return m.undoOrStay(ctx)
	}
	if j.Doing != "" {
		return refused
	}
	_, err = m.clean(ctx)
	return err
}

// settle takes kept copies of the same content for one, and what cannot differ in
// what follows out of the state.
func (w *world) settle() {
	j := w.readJournal()
	seen := map[string]bool{}
	if w.Journal != "" {
		j.Kept = slices.DeleteFunc(j.Kept, func(k kept) bool {
			c := fmt.Sprint(w.onDisk(k.Path), w.Files[k.Path], k.Path == "/before")
			again := seen[c] && w.Files[k.Path] != ""
			seen[c] = true
			if again {
				delete(w.Files, k.Path)
			}
			return again
		})
		for i := range j.Kept {
			j.Kept[i].Why = ""
		}
		slices.SortFunc(j.Kept, func(a, b kept) int { return strings.Compare(a.Path, b.Path) })
		text, _ := json.Marshal(j)
		w.Journal = string(text)
	}
}

// events are what happens to a board between commands.
func (w world) events() map[string]world {
	all := map[string]world{}
	add := func(name string, change func(*world)) {
		c := w.clone()
		change(&c)
		all[name] = c
	}
	add("boot", func(c *world) {
		at := modelMount + modelFolder
		c.Mounted = c.Fstab && c.Disk == ""
		c.Bound = c.Mounted && c.Files[modelFolder] != "" && c.Files[at] != ""
	})
	if w.Mishaps > 0 {
		add("write", func(c *world) { c.Mishaps--; c.written() })
		for path, content := range w.Files {
			if content == oldData || content == newData {
				add("fsck "+path, func(c *world) { c.Mishaps--; c.Files[path] = "torn " + content })
			}
			if isWhole(content) || path == w.shown(modelFolder) {
				add("fsck removes "+path, func(c *world) {
					c.Mishaps--
					delete(c.Files, path)
					c.Bound = c.Bound && !c.onDisk(path)
				})
			}
			if isWhole(content) && path == w.shown(modelFolder) {
				// systemd makes what a line of fstab binds, if it is missing.
				add("fsck removes "+path+", a database is begun", func(c *world) { c.Mishaps--; c.Files[path] = fresh })
			}
		}
		for _, how := range []string{"gone", "twin"} {
			add(how, func(c *world) {
				c.Mishaps--
				c.Disk = how
				if how == "gone" {
					c.Mounted, c.Bound = false, false
				}
			})
		}
	}
	if w.Disk != "" {
		add("back", func(c *world) { c.Disk = "" })
	}
	return all
}

func (w world) actions() []action {
	all := []action{{verb: "apply"}, {verb: "undo"}, {verb: "clean"}, {verb: "undo", withoutDisk: true}}
	for _, k := range w.readJournal().Kept {
		all = append(all, action{verb: "clean", use: k.Path})
	}
	for _, use := range []string{modelFolder, modelMount + modelFolder, "/before"} {
		all = append(all, action{verb: "apply", use: use}, action{verb: "undo", use: use},
			action{verb: "undo", use: use, withoutDisk: true})
	}
	return all
}

// lost is a whole content that a command has removed everywhere. Clean may remove
// that of a copy which the owner named.
func (w world) lost(d action, had, has map[string]bool) string {
	for c := range had {
		if !has[c] && (d.verb != "clean" || w.Files[d.use] != c) {
			return c
		}
	}
	return ""
}

// explore visits all states that so many commands and events lead to from a first
// one.
func explore(t *testing.T, first world, exchanges bool, depth int) (states, transitions int) {
	depths := map[string]int{}
	seen := map[string]string{first.key(): "the beginning"}
	queue := []world{first}
	at := ""
	reach := func(w world, how string) {
		w.settle()
		if k := w.key(); seen[k] == "" {
			seen[k], depths[k] = how, depths[at]+1
			queue = append(queue, w)
		}
		transitions++
	}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		at = w.key()
		path := seen[at]
		if depths[at] >= depth {
			continue
		}
		for name, next := range w.events() {
			reach(next, path+"; "+name)
		}
		out := false
		for _, d := range w.actions() {
			try := func(write, stop int) (steps int) {
				c := w.clone()
				b := &modelBoard{w: &c, exchanges: exchanges, write: write, stop: stop, had: w.contents()}
				if write > 0 {
					c.Mishaps--
				}
				err := b.do(d)
				check := func(after world, had map[string]bool, how string) {
					if gone := w.lost(d, had, after.contents()); gone != "" {
						require.Empty(t, gone, "%s\nbefore %s\nafter  %s\nerror  %v", how, w.key(), after.key(), err)
					}
					reach(after, how)
				}
				how := path + "; " + d.String()
				require.NotErrorIs(t, err, errEndless, how)
				for n, cut := range b.cuts {
					check(cut, w.contents(), fmt.Sprintf("%s killed before step %d", how, n+1))
				}
				if write > 0 {
					how = fmt.Sprintf("%s, written before step %d", how, write)
				}
				if stop > 0 {
					how = fmt.Sprintf("%s, Ctrl-C before step %d", how, stop)
				}
				check(c, b.had, how)
				out = out || write == 0 && stop == 0 && err == nil && d.verb != "clean"
				return b.n
			}
			steps := try(0, 0)
			for n := 1; n <= steps; n++ {
				try(0, n)
				if w.Mishaps > 0 {
					try(n, 0)
				}
			}
		}
		nothingSetUp := w.readJournal().UUID == ""
		require.True(t, out || nothingSetUp, "no command leads out: %s\n%s", path, w.key())
		require.Less(t, len(seen), 500_000)
	}
	return len(seen), transitions
}

func TestModel(t *testing.T) {
	depth, mishaps := 3, 2
	if walkAll() {
		depth = 4
	}
	var states, transitions atomic.Int64
	t.Run("begin", func(t *testing.T) {
		for _, exchanges := range []bool{true, false} {
			for _, begin := range []map[string]string{
				{modelFolder: oldData},
				{modelFolder: isEmpty},
				{},
				{modelMount + modelFolder: oldData},
				{modelFolder: newData, modelMount + modelFolder: oldData},
			} {
				t.Run(fmt.Sprintf("%v, exchange %v", begin, exchanges), func(t *testing.T) {
					t.Parallel()
					w := world{parsed: map[string]*journal{}, Files: begin, Mishaps: mishaps}
					s, n := explore(t, w, exchanges, depth)
					states.Add(int64(s))
					transitions.Add(int64(n))
					t.Logf("%d states, %d transitions, none with loss", s, n)
				})
			}
		}
	})
	t.Logf("result: model, sequences of up to %d commands and events, %d of them mishaps: "+
		"%d states, %d transitions, none with loss, a way out of each",
		depth, mishaps, states.Load(), transitions.Load())
}

// TestModelAfterDamage goes on from each moment of an apply without an exchange in one
// step whose copy on the disk is then damaged: sequences that TestModel comes to
// only with four commands and events.
func TestModelAfterDamage(t *testing.T) {
	first := world{parsed: map[string]*journal{}, Files: map[string]string{modelFolder: oldData}, Mishaps: 1}
	b := &modelBoard{w: &first}
	require.NoError(t, b.do(action{verb: "apply"}))
	const copied = modelMount + modelFolder
	for _, cut := range b.cuts {
		if w := cut.clone(); w.Files[copied] == oldData {
			w.Files[copied] = "torn " + oldData
			explore(t, w, false, 2)
		}
	}
}
