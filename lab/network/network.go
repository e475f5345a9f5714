// Package network joins boards of one machine by a switch: a bridge in a network namespace
// of its own, into which each board's eth0 is plugged as one end of a veth pair.
//
// A process holds the namespace. It is found by its arguments, so there is no record of it
// that could be wrong, and it ends by itself when nothing has been plugged in for a while,
// so nothing is left when lab or the boards are killed.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// Network is one switch. Of a cache folder's networks, names are unique.
type Network struct {
	// id is an absolute path, of which nothing need exist: the switch's argument.
	id string
	// lock is the file that whoever plugs in, and a switch that is to end, hold.
	lock string
}

// Of is the network of that name, which need not have a switch yet.
func Of(name string) (Network, error) {
	dir, err := cache.Folder()
	return Network{filepath.Join(dir, "networks", name), filepath.Join(dir, "networks.lock")}, err
}

// Lock keeps others from changing any network. The kernel releases it with this process.
func (n Network) Lock(ctx context.Context) (unlock func(), err error) { return cache.Lock(ctx, n.lock) }

// device is the bridge's name in its namespace.
const device = "switch"

// verb is the argument with which lab runs as a switch.
const verb = "switch"

// looksEvery is how often a switch checks whether it is still in use.
const looksEvery = 5 * time.Second

// Serve is the switch: it holds its namespace for as long as anything is plugged in.
func Serve(args []string) error {
	if len(args) != 1 {
		return errors.New("switch: want the network's name")
	}
	err := ip(nil, "link", "add", device, "type", "bridge")
	if err == nil {
		err = ip(nil, "link", "set", device, "up")
	}
	// File 3 is the pipe on which the other side waits for the bridge, or for why there is none.
	answer := os.NewFile(3, "answer")
	fmt.Fprint(answer, err)
	answer.Close()
	if err != nil {
		return err
	}
	n := Network{args[0], filepath.Join(filepath.Dir(filepath.Dir(args[0])), "networks.lock")}
	for {
		time.Sleep(looksEvery)
		if ports() {
			continue
		}
		// A process that plugs in takes the lock before it starts the switch.
		unlock, err := n.Lock(context.Background())
		if err != nil || !ports() {
			return err
		}
		unlock()
	}
}

// ports reports whether anything is plugged in.
func ports() bool {
	all, err := net.Interfaces()
	// lo and the bridge are always there.
	return err != nil || len(all) > 2
}

// process is the switch's, 0 when there is none.
func (n Network) process() (int, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	want := []byte("\x00" + verb + "\x00" + n.id + "\x00")
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err == nil && bytes.HasSuffix(line, want) {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, nil
}

// start starts the switch and returns its process.
func (n Network) start() (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := exec.Command(exe, verb, n.id)
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNET}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("start the network's switch: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	if answer, err := io.ReadAll(r); err != nil || string(answer) != fmt.Sprint(error(nil)) {
		return 0, fmt.Errorf("start the network's switch: %w: %s", err, answer)
	}
	return cmd.Process.Pid, nil
}

// Plug gives the network namespace of a board's process 1 its eth0, with this hardware
// address, and plugs it in. The caller holds the lock.
func (n Network) Plug(board int, mac string) error {
	hub, err := n.process()
	if err == nil && hub == 0 {
		hub, err = n.start()
	}
	if err != nil {
		return err
	}
	// Both ends are made where they belong, so that this machine has neither at any time. The
	// kernel removes both with the board's namespace.
	err = ip(nil, "link", "add", port(board), "netns", strconv.Itoa(hub), "type", "veth",
		"peer", "name", "eth0", "address", mac, "netns", strconv.Itoa(board))
	if err != nil {
		return err
	}
	return ip(in(hub), "link", "set", port(board), "master", device, "up")
}

// port is the name of a board's port in the switch; a rebooted board has a new one.
func port(board int) string { return "port" + strconv.Itoa(board) }

// Link is the state of a board's cable.
type Link struct {
	Down bool `json:"down,omitempty"`
	// Rate is in bytes a second, each way; 0 is no limit.
	Rate int64 `json:"rate,omitempty"`
}

// Set changes the state of a plugged-in board's cable.
func (n Network) Set(board int, l Link) error {
	hub, err := n.process()
	if err != nil {
		return err
	}
	if hub == 0 {
		return errors.New("the network has no switch")
	}
	state := "up"
	if l.Down {
		state = "down"
	}
	if err := ip(in(hub), "link", "set", port(board), state); err != nil {
		return err
	}
	if err := limit(in(hub), port(board), l.Rate); err != nil {
		return err
	}
	return limit(in(board), "eth0", l.Rate)
}

// limit sets how much leaves by a device.
func limit(where []string, device string, rate int64) error {
	if rate == 0 {
		// Fails where there was no limit.
		_ = run(append(where, "tc", "qdisc", "del", "dev", device, "root"))
		return nil
	}
	// A bucket holds at least some packets, and what flows in 10 ms.
	burst := max(16<<10, rate/100)
	return run(append(where, "tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate",
		strconv.FormatInt(rate, 10)+"bps", "burst", strconv.FormatInt(burst, 10), "latency", "200ms"))
}

// End ends the switch. The caller holds the lock, and nobody is plugged in any more.
func (n Network) End() error {
	hub, err := n.process()
	if err != nil || hub == 0 {
		return err
	}
	if err := syscall.Kill(hub, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the network's switch: %w", err)
	}
	for range 500 {
		if hub, err = n.process(); err != nil || hub == 0 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("end the network's switch: process %d does not end", hub)
}

// Route has a board send what is for a range of addresses by way of another board.
func Route(board int, subnet, via string) error {
	return ip(in(board), "route", "replace", subnet, "via", via)
}

// in runs a command in a process's network namespace.
func in(pid int) []string { return []string{"nsenter", "--net=/proc/" + strconv.Itoa(pid) + "/ns/net"} }

func ip(where []string, args ...string) error { return run(append(append(where, "ip"), args...)) }

func run(args []string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("set up the network: %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
