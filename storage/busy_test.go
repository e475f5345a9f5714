package storage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/storage/users"
	"github.com/stretchr/testify/require"
)

// podsOf starts shell scripts under the names of pods' processes. The list holds
// those that still run.
func podsOf(t *testing.T, scripts map[string]string) func() []users.User {
	var mu sync.Mutex
	var running []users.User
	for name, script := range scripts {
		cmd := exec.Command("sh", "-c", script)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 1)) // its trap is set
		require.NoError(t, err)
		running = append(running, users.User{PID: cmd.Process.Pid, Name: name})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = cmd.Process.Wait()
			mu.Lock()
			defer mu.Unlock()
			for i, u := range running {
				if u.PID == cmd.Process.Pid {
					running = append(running[:i:i], running[i+1:]...)
					break
				}
			}
		}()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	}
	return func() []users.User {
		mu.Lock()
		defer mu.Unlock()
		return append([]users.User(nil), running...)
	}
}

// An API server that was told to end together with its etcd once did not end in
// two minutes: it waited for etcd.
func TestStopPodsEndsEtcdLast(t *testing.T) {
	order := filepath.Join(t.TempDir(), "order")
	ends := func(name, slow string) string {
		return fmt.Sprintf("trap '%s echo %s >>%s; exit' TERM; echo; while :; do sleep 0.02; done", slow, name, order)
	}
	pods := podsOf(t, map[string]string{
		"etcd":           ends("etcd", ""),
		"pause":          ends("pause", ""),
		"kube-apiserver": ends("kube-apiserver", "sleep 0.3;"),
	})
	require.NoError(t, Board{}.stopPods(context.Background(), pods, time.Minute))
	text, err := os.ReadFile(order)
	require.NoError(t, err)
	require.Equal(t, "kube-apiserver", strings.Fields(string(text))[0])
	require.Len(t, strings.Fields(string(text)), 3)
	require.Empty(t, pods())
}

func TestStopPodsKillsOnlyWhatKeepsNothing(t *testing.T) {
	deaf := "trap '' TERM; echo; while :; do sleep 0.02; done"
	for name, refused := range map[string]string{
		"kube-apiserver": "",
		"postgres":       "do not end",
		"etcd":           "do not end",
	} {
		t.Run(name, func(t *testing.T) {
			pods := podsOf(t, map[string]string{name: deaf})
			var told []string
			b := Board{Tell: func(line string) { told = append(told, line) }}
			err := b.stopPods(context.Background(), pods, 300*time.Millisecond)
			if refused == "" {
				require.NoError(t, err)
				require.Contains(t, strings.Join(told, "\n"), "killing it")
				return
			}
			require.ErrorContains(t, err, refused)
			require.Len(t, pods(), 1)
		})
	}
}
