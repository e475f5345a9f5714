package supervisor

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestReadDropIns(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc/systemd/system/kubelet.service.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"10-a.conf": "[Unit]\nEnvironment=NO=1\n[Service]\nTimerSlackNSec=1000\nEnvironment=A=1 B=2\n",
		"20-b.conf": "# a comment\n[Service]\nTimerSlackNSec=20ms\nEnvironment=A=3\n",
		"30-c.txt":  "[Service]\nTimerSlackNSec=1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := readDropIns(root, "kubelet")
	if d.slack != 20*time.Millisecond || len(d.env) != 3 || d.env[2] != "A=3" {
		t.Errorf("got %+v", d)
	}
	if d := readDropIns(root, "containerd"); d.slack != 0 || d.env != nil {
		t.Errorf("got %+v", d)
	}
}
