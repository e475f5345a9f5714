package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// gatherOnly is an init that ends after its first stage. The test binary has it as a
// command of its own, so that gather runs on the boards of tryOnBoard.
func gatherOnly() {
	v := invocation{env: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, rawStdout: os.Stdout,
		rawStderr: os.Stderr}
	o, err := v.parse(commandNamed("init"), os.Args[2:])
	if err == nil {
		var own ownFlags
		own, err = v.ownFlags(o)
		r := &boardRun{invocation: v, command: kubeadm.Init, own: own, args: o.theirs}
		err = errors.Join(err, r.gather(context.Background()))
		fmt.Println(r.behaviour.Version, r.config.API(), r.given != nil, r.resume != nil, len(r.owned))
	}
	os.Exit(v.fail(err))
}

// TestGatherOnlyReads: the first stage of init leaves every file, its mode, its owner and
// its times as they are, on a fresh board and on one whose init was interrupted.
func TestGatherOnlyReads(t *testing.T) {
	owners := files("/mnt/k.yaml", file("apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"+
		"patches: {directory: patches}\n"),
		"/mnt/patches", folder(0o755), "/mnt/patches/etcd+json.yaml", file(`[{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]`))
	for name, c := range map[string]struct {
		trial trial
		words string
		want  string
	}{
		"fresh": {trial{Files: owners}, "init --config k.yaml --storage /dev/no-such-disk", "v1.37.2 v1beta4 true false 1\n"},
		"again": {interruptedBoard(), "init --node-name=bpi --ignore-preflight-errors=all", "v1.37.2  false true 0\n"},
		"dry":   {trial{}, "init --dry-run", "v1.37.2  true false 0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.trial.Args, c.trial.Called = strings.Fields(c.words), "gather-only"
			e := tryOnBoard(t, c.trial)
			assert.Zero(t, e.Code, e.Stderr)
			assert.Equal(t, c.want, e.Stdout, e.Stderr)
			assert.Empty(t, e.Changed)
		})
	}
}

// TestInterruptedStages: what is said after a signal is true of the stage that it came in.
func TestInterruptedStages(t *testing.T) {
	signal := func(at string, moved *storage.Plan, words ...string) string {
		var stderr bytes.Buffer
		v := invocation{stderr: &stderr, rawStderr: &stderr}
		o, err := v.parse(commandNamed("init"), words)
		require.NoError(t, err)
		r := &boardRun{invocation: v, command: kubeadm.Init, args: o.theirs, stop: v.listen()}
		defer r.stop.close()
		all := r.initStages()
		for i := range all {
			all[i].do = func(context.Context) error {
				if all[i].name == "move storage" {
					r.moved = moved
				}
				if all[i].name == at {
					r.stop.got.Store(int32(syscall.SIGINT))
					return context.Canceled
				}
				return nil
			}
		}
		assert.Equal(t, 128+int(syscall.SIGINT), v.fail(r.walk(all)), at)
		return stderr.String()
	}
	moved := &storage.Plan{Disk: storage.Disk{Path: "/dev/md0"}}
	const untouched, itWas = "hint: nothing was changed; run it again\n", "the data was moved to /dev/md0, and nothing " +
		"else was changed"
	for _, at := range []string{"gather", "diagnose"} {
		assert.Contains(t, signal(at, moved), untouched, at)
	}
	for _, at := range []string{"measure", "plan"} {
		assert.Contains(t, signal(at, nil), untouched, at)
		assert.Contains(t, signal(at, &storage.Plan{Nothing: true}), untouched, at)
		assert.Contains(t, signal(at, moved), itWas, at)
		assert.Contains(t, signal(at, moved, "--dry-run"), untouched, at)
	}
	assert.Contains(t, signal("show", moved, "--dry-run"), untouched)
}
