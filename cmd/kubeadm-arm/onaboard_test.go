package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

// A trial is one call of kubeadm-arm on a made-up board: a mount and PID
// namespace of its own with an empty /etc, /run, /var/lib and /mnt, a kubeadm
// and a kubelet of this test in PATH, and no other process.
type trial struct {
	Args  []string
	Env   []string
	Stdin string
	// Files are laid down before, by path. The working folder is /mnt.
	Files map[string]entry
	// Answers are those of an API server and of etcd on the board, by path, from the calls before on;
	// nil without these. With Worker the board has no control plane, with Expired a certificate that has ended.
	Answers         map[string]string
	Worker, Expired bool
	// Mounts are file systems in memory by folder, with their mount options;
	// Fill leaves so many bytes free in that of the folder.
	Mounts map[string]string
	Fill   map[string]int
	// Proc replaces files below /proc.
	Proc map[string]string
	// Before are calls of kubeadm-arm that were made before; Env of a call
	// stands in front of its words, as in a shell.
	Before []string
	// After is a shell command between those and the trial.
	After string
	// Locked has another process hold the lock.
	Locked bool
	// Nobody makes the call as nobody instead of as root.
	Nobody bool
	// Begun says that kubeadm itself is what refuses, so that a journal has come
	// and gone: the times of folders are not compared.
	Begun bool
	// Terminal runs it at a terminal of its own, which is closed once it
	// shows this.
	Terminal string
	// Signal is sent then, instead of closing the terminal.
	Signal syscall.Signal
	// Called is the name that the program is called by.
	Called string
	// Program is the path that it is started from, /opt/bin/kubeadm-arm when empty.
	Program string
	// Cluster answers to the board, which has no network without it. Words and files may name
	// what only it knows, such as {hash}.
	Cluster *fakeCluster
}

// An entry is a file, a folder (Text empty, Folder set), a link or a pipe.
type entry struct {
	Text   []byte
	Mode   fs.FileMode
	Folder bool
	Link   string
	Pipe   bool
}

func file(text string) entry        { return entry{Text: []byte(text), Mode: 0o600} }
func program(text string) entry     { return entry{Text: []byte(text), Mode: 0o755} }
func folder(mode fs.FileMode) entry { return entry{Folder: true, Mode: mode} }
func link(target string) entry      { return entry{Link: target} }
func pipe() entry                   { return entry{Pipe: true} }
func files(all ...any) map[string]entry {
	m := map[string]entry{}
	for i := 0; i < len(all); i += 2 {
		m[all[i].(string)] = all[i+1].(entry)
	}
	return m
}

// ended is how the call went. Changed lists what it changed on the board.
type ended struct {
	Code           int
	Stdout, Stderr string
	Changed        []string
	// Left are processes that outlive it.
	Left []string
	// Writes are requests that changed the cluster, Told those that gave the token away.
	Writes, Told []string
	Problem      string
}

// fakeKubeadm writes four manifests as kubeadm's control-plane phase does, and
// fails at the next call, when there is no kubelet to start.
const fakeKubeadm = `#!/bin/sh
case "$*" in
"version -o short") echo "${FAKE_VERSION-v1.37.2}"; exit ${FAKE_VERSION_EXIT:-0};;
"init phase"*) [ -z "$FAKE_RENDER" ] || exit 1;;
*--no-such-flag*) echo "unknown flag: --no-such-flag" >&2; exit 1;;
init*skip-phases=preflight*)
	[ "$FAKE_HANG" != wait ] || exit 0
	[ "$FAKE_HANG" != kubelet ] || { exec sleep 60; }
	echo "error: the kubelet does not start" >&2; exit 1;;
join*)
	case "$*" in *0123456789abcdef*|*8e3f1a2b*) echo "a secret is among the arguments" >&2;; esac
	echo "error: this kubeadm joins nothing" >&2; exit 1;;
init*) ;;
*) echo "kubeadm $*"; exit ${FAKE_EXIT:-0};;
esac
[ -z "$FAKE_PREFLIGHT" ] || { echo "	[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2" >&2; exit 1; }
mkdir -p /etc/kubernetes/manifests
printf 'current-context: c\ncontexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {client-certificate: /u, client-key: /u}}]\n' >/etc/kubernetes/kubelet.conf
for c in etcd kube-apiserver kube-controller-manager kube-scheduler; do
printf 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\nspec:\n  containers:\n  - name: %s\n    command:\n    - %s\n    - --secure-port=1\n    image: registry.k8s.io/%s:v1.37.2\n    livenessProbe:\n      httpGet: {path: /healthz, port: 1, host: 127.0.0.1}\n' $c $c $c $c >/etc/kubernetes/manifests/$c.yaml
done
`

// tryOnBoard makes a trial. It needs root, as init itself does.
func tryOnBoard(t *testing.T, c trial) ended {
	t.Helper()
	roottest.Need(t, "a mount namespace of its own")
	if c.Answers != nil {
		c.Files = withCluster(t, c)
	}
	spec, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = "on-a-board"
	cmd.Stdin = bytes.NewReader(spec)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	var e ended
	require.NoError(t, json.Unmarshal(out, &e))
	require.Empty(t, e.Problem)
	return e
}

// onABoard is the process that makes the board around itself.
func onABoard() {
	var c trial
	var e ended
	err := json.NewDecoder(os.Stdin).Decode(&c)
	if err == nil {
		e, err = c.make()
	}
	if err != nil {
		e.Problem = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(e)
}

// shown are the folders that a call could change.
var shown = [...]string{"/etc", "/run", "/var", "/mnt", "/opt"}

func (c trial) make() (e ended, err error) {
	self, err := os.Executable()
	if err != nil {
		return e, err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return e, err
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return e, err
	}
	for _, dir := range shown {
		if err := syscall.Mount("board", dir, "tmpfs", 0, "mode=755,size=64m"); err != nil {
			return e, err
		}
	}
	if c.Cluster != nil {
		if err := c.Cluster.start(); err != nil {
			return e, err
		}
	}
	if err := c.layDown(self); err != nil {
		return e, err
	}
	if c.Answers != nil {
		if err := serveCluster(c.Answers); err != nil {
			return e, err
		}
	}
	if err := c.happenBefore(); err != nil {
		return e, err
	}
	if c.Locked {
		f, err := os.OpenFile("/etc/kubernetes/kubeadm-arm/lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return e, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return e, err
		}
		if _, err := f.WriteString(`{"pid":1}`); err != nil {
			return e, err
		}
		defer f.Close()
	}
	before, err := c.snapshot()
	if err != nil {
		return e, err
	}
	if err := c.call(&e); err != nil {
		return e, err
	}
	after, err := c.snapshot()
	e.Changed = difference(before, after)
	if c.Cluster != nil {
		c.Cluster.mu.Lock()
		e.Writes, e.Told = c.Cluster.writes, c.Cluster.told
		c.Cluster.mu.Unlock()
	}
	return e, err
}

// happenBefore makes the calls and runs the command that come before the trial.
func (c trial) happenBefore() error {
	for _, words := range c.Before {
		// However it ends: the trial's own outcome shows whether it was right.
		sh := exec.Command("/bin/sh", "-c", words)
		sh.Dir, sh.Env = "/mnt", c.env()
		if _, err := sh.CombinedOutput(); err != nil && sh.ProcessState == nil {
			return err
		}
	}
	if c.After != "" {
		if out, err := exec.Command("/bin/sh", "-ec", c.After).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", c.After, err, out)
		}
	}
	return nil
}

// call makes the call itself.
func (c trial) call(e *ended) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	path := "/opt/bin/kubeadm-arm"
	if c.Program != "" {
		path = c.Program
	}
	words := slices.Clone(c.Args)
	if c.Cluster != nil {
		for i, w := range words {
			words[i] = c.Cluster.fill(w)
		}
	}
	cmd := exec.CommandContext(ctx, path, words...)
	cmd.WaitDelay = 10 * time.Minute
	cmd.Dir, cmd.Env, cmd.Stdin = "/mnt", c.env(), strings.NewReader(c.Stdin)
	if c.Called != "" {
		cmd.Args[0] = c.Called
	}
	if c.Nobody {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var err error
	if c.Terminal != "" {
		err = atTerminal(cmd, &stdout, c.Terminal, c.Signal)
		e.Left = processes()
	} else {
		err = cmd.Run()
	}
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return fmt.Errorf("it hangs: %s%s", &stdout, &stderr)
	}
	if errors.As(err, &exit) {
		e.Code = exit.ExitCode()
	} else if err != nil {
		return err
	}
	e.Stdout, e.Stderr = stdout.String(), stderr.String()
	return nil
}

// atTerminal runs a command as the leader of a session at a new terminal and
// closes the terminal (pty(7)) in the middle, or sends it a signal.
func atTerminal(cmd *exec.Cmd, said *bytes.Buffer, until string, sig syscall.Signal) error {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return err
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	slave.Close()
	text := make([]byte, 4096)
	for !strings.Contains(said.String(), until) {
		n, err := master.Read(text)
		said.Write(text[:n])
		if err != nil {
			break
		}
	}
	time.Sleep(500 * time.Millisecond)
	if sig == 0 {
		if err := master.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	}
	defer master.Close()
	if err := cmd.Process.Signal(sig); err != nil {
		return err
	}
	// Until the last process at the terminal has ended (EIO).
	_, _ = io.Copy(said, master)
	return cmd.Wait()
}

// processes lists the others of this PID namespace.
func processes() []string {
	var all []string
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range dirs {
		if text, err := os.ReadFile(path); err == nil && path != "/proc/1/cmdline" && len(text) > 0 {
			all = append(all, string(text))
		}
	}
	return all
}

func (c trial) env() []string {
	return append([]string{"PATH=/opt/bin:/usr/bin:/bin", "KUBEADM_ARM_BENCH=/opt/slow-board.json"}, c.Env...)
}

// layDown makes the board's files.
func (c trial) layDown(self string) error {
	bench, err := os.ReadFile("testdata/badinput/slow-board.json")
	if err != nil {
		return err
	}
	all := files(
		"/opt/bin/kubeadm", program(fakeKubeadm), "/opt/bin/kubelet", program("#!/bin/sh\necho $FAKE_KUBELET\n"),
		"/opt/bin/kubeadm-arm", program(""), "/opt/slow-board.json", entry{Text: bench, Mode: 0o644},
		"/etc/kubernetes/manifests", folder(0o700), "/var/lib/etcd", folder(0o700),
		"/var/lib/kubelet", folder(0o755), // the kubelet's package has it
	)
	for path, f := range c.Files {
		if c.Cluster != nil {
			f.Text = []byte(c.Cluster.fill(string(f.Text)))
		}
		all[path] = f
	}
	for _, dir := range slices.Sorted(maps.Keys(c.Mounts)) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("board", dir, "tmpfs", 0, c.Mounts[dir]); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if err := all[path].put(path); err != nil {
			return err
		}
	}
	if err := syscall.Mount(self, "/opt/bin/kubeadm-arm", "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	for path, text := range c.Proc {
		from := filepath.Join("/opt/proc", path)
		if err := file(text).put(from); err != nil {
			return err
		}
		if err := syscall.Mount(from, path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for dir, free := range c.Fill {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, int(fs.Bavail)*int(fs.Bsize)-free),
			0o600); err != nil {
			return err
		}
	}
	return nil
}

func (f entry) put(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch {
	case f.Link != "":
		return os.Symlink(f.Link, path)
	case f.Pipe:
		return syscall.Mkfifo(path, 0o600)
	case f.Folder:
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, f.Mode))
	}
	return errors.Join(os.WriteFile(path, f.Text, f.Mode), os.Chmod(path, f.Mode))
}

// snapshot is everything that can be seen of the board's files: kind, mode,
// owner, time and a hash of the text, by path.
func (c trial) snapshot() (map[string]string, error) {
	all := map[string]string{}
	for _, root := range shown {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			line := info.Mode().String()
			if !c.Begun || !info.IsDir() {
				line += fmt.Sprintf(" %d", info.ModTime().UnixNano())
			}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				line += fmt.Sprintf(" %d:%d", stat.Uid, stat.Gid)
			}
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				target, err := os.Readlink(path)
				if err != nil {
					return err
				}
				line += " " + target
			case info.Mode().IsRegular():
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %x", sha256.Sum256(text))
			}
			all[path] = line
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func difference(before, after map[string]string) []string {
	var all []string
	for path, was := range before {
		switch now, ok := after[path]; {
		case !ok:
			all = append(all, path+" is gone")
		case now != was:
			all = append(all, path+" was "+was+", is "+now)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			all = append(all, path+" is new")
		}
	}
	slices.Sort(all)
	return all
}
