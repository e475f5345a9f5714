package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// frame is a line of JSON on one of lab's serial ports. The host begins with
// Args; then follow what is for the command's standard input, or from its output,
// and signals; the board ends with Exit. Frames of another ID belong to a command
// whose lab run is gone.
type frame struct {
	ID     string   `json:"id"`
	Args   []string `json:"args,omitempty"`
	Env    []string `json:"env,omitempty"`
	In     []byte   `json:"in,omitempty"`
	EOF    bool     `json:"eof,omitempty"`
	Signal int      `json:"signal,omitempty"`
	Out    []byte   `json:"out,omitempty"`
	Err    []byte   `json:"err,omitempty"`
	Exit   *int     `json:"exit,omitempty"`
}

// serve answers on all of lab's ports, which the kernel brings one after the
// other. It returns only when it cannot.
func serve() error {
	if line, err := serialLine(); err != nil {
		return err
	} else if line != nil {
		(&port{f: line}).listen()
	}
	served, deadline := map[string]bool{}, time.Now().Add(time.Minute)
	for {
		ports, all, err := findPorts()
		if err != nil {
			return err
		}
		for _, name := range ports {
			if served[name] {
				continue
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			served[name] = true
			go (&port{f: f}).listen()
		}
		if all > 0 && len(served) == all {
			select {}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("find lab's serial ports: %d of %d are there", len(served), all)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// serialLine opens the serial line that the kernel's command line names as
// lab.port, on boards without virtio; nil where it names none. Nobody tells there
// that the lab at the other side has gone: the next one's command ends its own.
func serialLine() (*os.File, error) {
	words, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	for _, word := range strings.Fields(string(words)) {
		name, ok := strings.CutPrefix(word, "lab.port=")
		if !ok {
			continue
		}
		f, err := os.OpenFile("/dev/"+name, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			return nil, err
		}
		if err := raw(f); err != nil {
			return nil, errors.Join(fmt.Errorf("set up %s: %w", f.Name(), err), f.Close())
		}
		return f, nil
	}
	return nil, nil
}

// raw has a serial line pass on every byte as it is (termios(3)).
func raw(f *os.File) error {
	var t syscall.Termios
	control := func(request uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&t))); errno != 0 {
			return errno
		}
		return nil
	}
	if err := control(syscall.TCGETS); err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(syscall.CSIZE|syscall.PARENB) | syscall.CS8 | syscall.CREAD | syscall.CLOCAL
	t.Cc[syscall.VMIN], t.Cc[syscall.VTIME] = 1, 0
	return control(syscall.TCSETS)
}

// findPorts returns the ports that are there, and how many there will be. Their
// names are lab0of8 and so on.
func findPorts() (ports []string, all int, err error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, 0, err
	}
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			continue // its name comes later
		}
		var number, of int
		if _, err := fmt.Sscanf(string(text), "lab%dof%d", &number, &of); err == nil {
			ports, all = append(ports, "/dev/"+filepath.Base(filepath.Dir(n))), of
		}
	}
	return ports, all, nil
}

// port is a serial port with at most one command.
type port struct {
	f     *os.File
	write sync.Mutex
	// Of the command that runs, nil and empty without one.
	now *running
}

// running is a command. Its input goes through a queue of its own, so that
// one that reads nothing still gets signals.
type running struct {
	id    string
	pid   int
	input chan []byte // closed at the end of the input
	ended chan struct{}
}

// listen reads frames, each a line: what a lab left half-written is closed by
// the line end with which the next one begins. While no lab has opened the other
// side, reading gives the end of the file, and writing waits.
func (p *port) listen() {
	for {
		// Only to wait: an empty line is no frame.
		if _, err := p.f.Write([]byte{'\n'}); err != nil {
			time.Sleep(time.Second)
		}
		lines := bufio.NewReaderSize(p.f, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			var fr frame
			if json.Unmarshal(line, &fr) == nil {
				p.take(fr)
			}
		}
		// The lab is gone, and nobody is left to hear how its command ends.
		p.end()
	}
}

func (p *port) take(fr frame) {
	switch {
	case fr.Args != nil:
		p.end()
		p.start(fr)
	case p.now == nil || fr.ID != p.now.id:
	case fr.EOF:
		if p.now.input != nil {
			close(p.now.input)
			p.now.input = nil
		}
	case fr.In != nil:
		if p.now.input != nil {
			select {
			case p.now.input <- fr.In:
			case <-p.now.ended:
			}
		}
	case fr.Signal != 0:
		p.signal(syscall.Signal(fr.Signal))
	}
}

// signal reaches the command and what it has started, while it lives.
func (p *port) signal(s syscall.Signal) {
	select {
	case <-p.now.ended:
	default:
		_ = syscall.Kill(-p.now.pid, s)
	}
}

// end ends a command whose lab run is gone.
func (p *port) end() {
	if p.now == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	if p.now.input != nil {
		close(p.now.input)
	}
	p.now = nil
}

func (p *port) start(fr frame) {
	env := append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "KUBECONFIG=/etc/kubernetes/admin.conf",
	}, fr.Env...)
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			// exec.Command looks there.
			_ = os.Setenv("PATH", path)
		}
	}
	cmd := exec.Command(fr.Args[0], fr.Args[1:]...)
	cmd.Dir, cmd.Env = "/root", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout = writer(func(b []byte) error { return p.send(frame{ID: fr.ID, Out: b}) })
	cmd.Stderr = writer(func(b []byte) error { return p.send(frame{ID: fr.ID, Err: b}) })
	// What it leaves running may hold its output open.
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		code := 127
		_ = p.send(frame{ID: fr.ID, Err: []byte(err.Error() + "\n")})
		_ = p.send(frame{ID: fr.ID, Exit: &code})
		return
	}
	now := &running{id: fr.ID, pid: cmd.Process.Pid, input: make(chan []byte, 16), ended: make(chan struct{})}
	p.now = now
	input := now.input
	go func() {
		for b := range input {
			// A command that reads no more does not matter.
			_, _ = stdin.Write(b)
		}
		_ = stdin.Close()
	}()
	go func() {
		code, _, _ := ended(cmd.Wait())
		close(now.ended)
		_ = p.send(frame{ID: fr.ID, Exit: &code})
	}()
}

// send writes a frame. With no lab at the other side it waits for the next one,
// which does not know the frame's ID.
func (p *port) send(fr frame) error {
	text, err := json.Marshal(fr)
	if err != nil {
		return err
	}
	p.write.Lock()
	defer p.write.Unlock()
	_, err = p.f.Write(append(text, '\n'))
	return err
}

type writer func([]byte) error

func (w writer) Write(b []byte) (int, error) { return len(b), w(b) }
