package storage

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// From /proc/self/mountinfo of a board with containerd 1.6 whose pods had just ended.
const leftByContainers = `22 1 8:1 / / rw - ext4 /dev/sda1 rw
40 22 0:44 / /run/containerd/io.containerd.runtime.v2.task/k8s.io/5f6b/rootfs rw - overlay overlay rw,lowerdir=/var/lib/containerd/s/2/fs:/var/lib/containerd/s/1/fs,upperdir=/var/lib/containerd/s/9/fs,workdir=/var/lib/containerd/s/9/work
41 22 0:45 / /run/containerd/io.containerd.grpc.v1.cri/sandboxes/5f6b/shm rw - tmpfs shm rw
42 22 0:46 / /srv/overlay rw - overlay overlay rw,lowerdir=/var/lib/containerd/s/1/fs
`

func TestContainersRootsAreFound(t *testing.T) {
	all, err := mountinfo.GetMountsFromReader(strings.NewReader(leftByContainers), nil)
	require.NoError(t, err)
	found := mounts(all).containers([]string{"/var/lib/etcd", "/var/lib/containerd"})
	assert.Equal(t, []string{"/run/containerd/io.containerd.runtime.v2.task/k8s.io/5f6b/rootfs"}, found)
	assert.Empty(t, mounts(all).containers([]string{"/var/lib/etcd"}), "nothing of it lies there")
}

// containerd unmounts a moment after the last process of a container has ended; what it
// does not unmount in time is unmounted here.
func TestRootsOfEndedContainersAreAwaited(t *testing.T) {
	if !onStage(t) {
		return
	}
	const root = runtimeRoots + "io.containerd.runtime.v2.task/k8s.io/x/rootfs"
	script := "mount -t tmpfs t /run; mount -t tmpfs t /srv; mkdir -p /srv/c/1 /srv/c/2 /srv/c/u /srv/c/w " + root +
		"; mount -t overlay -o lowerdir=/srv/c/1:/srv/c/2,upperdir=/srv/c/u,workdir=/srv/c/w o " + root
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	require.NoError(t, err, string(out))
	var ran []string
	b := Board{Run: func(ctx context.Context, name string, args ...string) ([]byte, error) {
		ran = append(ran, name)
		return exec.CommandContext(ctx, name, args...).CombinedOutput()
	}}
	ended, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.unmounted(ended, []string{"/srv/c"}, time.Hour), context.DeadlineExceeded, "it waits")
	require.NoError(t, b.unmounted(t.Context(), []string{"/srv/other"}, time.Hour), "not for what lies elsewhere")
	require.NoError(t, b.unmounted(t.Context(), []string{"/srv/c"}, 0))
	assert.Equal(t, []string{"umount"}, ran)
	require.NoError(t, b.unmounted(t.Context(), []string{"/srv/c"}, time.Hour), "nothing is left")
}
