package emulate

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/tarfile"
)

// A board with counted time takes a minute of this machine's time to start. Where its
// disk is memory, it is started once, and boards go on from the state that QEMU has
// saved then (docs/devel/migration.rst): registers, memory and clock. Their names and
// files come on a disk of their own, as tar(5), which the first of them has had empty.

// Saves reports whether boards of this kind go on from a saved state.
func (m Machine) Saves() bool { return m.Board.pc() && m.count() > 0 }

// Names of files in the folder of a saved state and of a board.
const (
	savedState = "state"
	filesDisk  = "files.img"
	filesBytes = 256 << 20
	controls   = "qmp"
)

// savedArguments are those of the disk with files and of QEMU's own port.
func (m Machine) savedArguments() []string {
	args := []string{"-drive", "id=files,if=none,format=raw,file=" + filesDisk, "-device",
		"virtio-blk-pci,drive=files,serial=lab-files",
		"-qmp", "unix:" + controls + ",server=on,wait=off"}
	if m.resumed {
		args = append(args, "-incoming", "defer")
	}
	return args
}

// Key names what a saved state hangs on beside the disk.
func (m Machine) Key() string {
	return fmt.Sprintf("stopped-%dns-%d-%d", m.count(), m.cores(), m.bytes()>>20)
}

// StartAndSave starts the board, has it run the shell script ready, and saves its
// state in its folder.
func (m Machine) StartAndSave(ctx context.Context, cache, ready string) error {
	_, kill, err := m.startForThis(ctx, cache)
	if err != nil {
		return err
	}
	defer kill()
	var out strings.Builder
	code, err := Run(ctx, m.Dir, Command{Args: []string{"sh", "-ec", ready + "\nsync"}, Stdout: &out, Stderr: &out})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out.String())
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", m.Board.Name, err)
	}
	return m.save(ctx)
}

// save saves the state of the board in its folder and switches it off. The board is
// stopped first: while it goes on, QEMU has to notice every page that is written to after
// it was saved, and under TCG it missed some on a busy machine. The kernel of a board that
// went on from there found its lists of pages corrupted.
func (m Machine) save(ctx context.Context) error {
	q, err := dialQEMU(ctx, m.Dir)
	if err != nil {
		return err
	}
	defer q.close()
	if _, err := q.call("stop", nil); err != nil {
		return err
	}
	if _, err := q.call("migrate-set-parameters", map[string]any{"max-bandwidth": 1 << 40}); err != nil {
		return err
	}
	if _, err := q.call("migrate", map[string]any{"uri": "exec:cat > " + savedState}); err != nil {
		return err
	}
	if err := q.await(ctx, "query-migrate", "completed"); err != nil {
		return fmt.Errorf("save the board's state: %w", err)
	}
	_, err = q.call("quit", nil)
	return err
}

// Resume starts a board from the state in the folder saved, up to the point where
// commands can be run on it, and puts its files there. start starts what Prepare
// returns, alive reports whether it still runs.
func (m Machine) Resume(ctx context.Context, cache, saved string, start func(Machine) error, alive func() bool) error {
	if err := quietly(ctx, "cp", "--sparse=always", "--reflink=auto", filepath.Join(saved, rootCopy),
		filepath.Join(m.Dir, rootCopy)); err != nil {
		return err
	}
	if err := m.writeFilesDisk(); err != nil {
		return fmt.Errorf("write the board's files: %w", err)
	}
	// QEMU reads it once, in the board's folder.
	if err := os.Link(filepath.Join(saved, savedState), filepath.Join(m.Dir, savedState)); err != nil {
		return err
	}
	bare := m
	bare.Files, bare.Programs, bare.resumed = nil, nil, true
	if err := start(bare); err != nil {
		return err
	}
	q, err := dialQEMU(ctx, m.Dir)
	if err != nil {
		return err
	}
	defer q.close()
	if _, err := q.call("migrate-incoming", map[string]any{"uri": "exec:cat " + savedState}); err != nil {
		return err
	}
	if err := q.await(ctx, "query-status", "paused"); err != nil {
		return fmt.Errorf("read the saved state: %w", err)
	}
	if _, err := q.call("cont", nil); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(m.Dir, savedState)); err != nil {
		return err
	}
	if err := AwaitAgent(ctx, m.Dir, alive); err != nil {
		return err
	}
	var out strings.Builder
	code, err := Run(ctx, m.Dir, Command{Args: []string{"sh", "-ec", arrive, "sh",
		strconv.FormatInt(time.Now().Unix(), 10)}, Stdout: &out, Stderr: &out})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out.String())
	}
	if err != nil {
		return fmt.Errorf("put the board's files there: %w", err)
	}
	return nil
}

// SeedFile is the file with what a board's random numbers begin with.
const SeedFile = "/etc/lab-seed"

// arrive puts a board's files there and gives it a time, a name and random numbers of its
// own. What is known of the disk is from when it was empty. The journal lies in a folder
// that is called after the board.
const arrive = `
disk=/dev/disk/by-id/virtio-lab-files
was=$(cat /etc/machine-id)
blockdev --flushbufs $disk
tar --extract --no-same-owner --file $disk --directory /
/usr/lib/lab/guest seed ` + SeedFile + `
hostname --file /etc/hostname
date --set "@$1" >/dev/null
for journals in /run/log/journal /var/log/journal; do
	test ! -d $journals/$was || mv $journals/$was $journals/$(cat /etc/machine-id)
done
systemctl restart systemd-journald
`

// writeFilesDisk writes the board's files as a tar archive that is as long as the disk.
func (m Machine) writeFilesDisk() (err error) {
	f, err := os.Create(filepath.Join(m.Dir, filesDisk))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(filesBytes); err != nil {
		return err
	}
	w := tar.NewWriter(f)
	for to, text := range m.Files {
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(to, "/"), Mode: 0o644,
			Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	for to, from := range m.Programs {
		if err := tarfile.AddProgram(w, strings.TrimPrefix(to, "/"), from); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at > filesBytes {
		return errors.Join(err, fmt.Errorf("they are larger than %d MiB", filesBytes>>20))
	}
	return nil
}

// qemu is the port through which QEMU takes commands
// (docs/interop/qmp-spec.txt): a line of JSON for each command, answer and event.
type qemu struct {
	conn  net.Conn
	lines *bufio.Reader
}

// dialQEMU waits for the port of the board in dir, and prepares saving and reading states.
func dialQEMU(ctx context.Context, dir string) (*qemu, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	// A socket's path has at most 107 bytes (unix(7)).
	path := fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), controls)
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			q := &qemu{conn, bufio.NewReader(conn)}
			if _, err := q.lines.ReadBytes('\n'); err != nil { // its greeting
				return nil, errors.Join(err, conn.Close())
			}
			_, err := q.call("qmp_capabilities", nil)
			if err == nil {
				err = q.ignoreDisk()
			}
			if err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return q, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (q *qemu) close() { _ = q.conn.Close() }

// call runs a command and returns what it answers.
func (q *qemu) call(command string, arguments any) (json.RawMessage, error) {
	line, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return nil, err
	}
	if _, err := q.conn.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("QEMU %s: %w", command, err)
	}
	for {
		line, err := q.lines.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("QEMU %s: %w", command, err)
		}
		var answer struct {
			Return json.RawMessage        `json:"return"`
			Error  *struct{ Desc string } `json:"error"`
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return nil, fmt.Errorf("QEMU %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			return nil, fmt.Errorf("QEMU %s: %s", command, answer.Error.Desc)
		case answer.Return != nil:
			return answer.Return, nil
		}
		// Else it is an event.
	}
}

// ignoreDisk leaves the disk that is memory out of the state: its file has all of it.
func (q *qemu) ignoreDisk() error {
	ignore := map[string]any{"capability": "x-ignore-shared", "state": true}
	_, err := q.call("migrate-set-capabilities", map[string]any{"capabilities": []any{ignore}})
	return err
}

// await asks until the answer has that status.
func (q *qemu) await(ctx context.Context, command, status string) error {
	for {
		text, err := q.call(command, nil)
		if err != nil {
			return err
		}
		var now struct {
			Status string `json:"status"`
			Desc   string `json:"error-desc"`
		}
		if err := json.Unmarshal(text, &now); err != nil {
			return err
		}
		switch now.Status {
		case status:
			return nil
		case "failed", "internal-error":
			return fmt.Errorf("QEMU: %s %s", now.Status, now.Desc)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
