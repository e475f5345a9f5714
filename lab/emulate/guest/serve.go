package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
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

// serve answers on all of lab's ports. It returns only when it cannot.
func serve() error {
	ports, err := findPorts()
	if err != nil {
		return err
	}
	for _, p := range ports {
		f, err := os.OpenFile(p, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		go listen(f)
	}
	select {}
}

// findPorts waits for the ports whose names begin with "lab".
func findPorts() ([]string, error) {
	deadline := time.Now().Add(time.Minute)
	for {
		var ports []string
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if text, err := os.ReadFile(n); err == nil && strings.HasPrefix(string(text), "lab") {
				ports = append(ports, "/dev/"+filepath.Base(filepath.Dir(n)))
			}
		}
		if len(ports) > 0 {
			return ports, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("find lab's serial ports: there are none")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// port is a serial port with at most one command.
type port struct {
	f     *os.File
	write sync.Mutex
	id    string
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// listen reads frames. While no lab has opened the other side, reading gives
// the end of the file.
func listen(f *os.File) {
	p := &port{f: f}
	for {
		dec := json.NewDecoder(f)
		for {
			var fr frame
			if err := dec.Decode(&fr); err != nil {
				break
			}
			p.take(fr)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *port) take(fr frame) {
	switch {
	case fr.Args != nil:
		p.end()
		p.start(fr)
	case fr.ID != p.id || p.cmd == nil:
	case fr.EOF:
		_ = p.stdin.Close()
	case fr.In != nil:
		// A command that reads no more does not matter.
		_, _ = p.stdin.Write(fr.In)
	case fr.Signal != 0:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.Signal(fr.Signal))
	}
}

// end ends a command whose lab run is gone.
func (p *port) end() {
	if p.cmd != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.stdin.Close()
	}
	p.cmd = nil
}

func (p *port) start(fr frame) {
	p.id = fr.ID
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
		"KUBECONFIG=/etc/kubernetes/admin.conf"}, fr.Env...)
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
	p.cmd, p.stdin = cmd, stdin
	go func() {
		code, _, _ := ended(cmd.Wait())
		_ = p.send(frame{ID: fr.ID, Exit: &code})
	}()
}

// send writes a frame. With no lab at the other side the kernel takes it and
// drops it.
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
