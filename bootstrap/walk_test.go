package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// fakeBoard is a board with a kubeadm that writes manifests.
type fakeBoard struct {
	*boardtest.Board
	t      *testing.T
	layout state.Layout
	calls  [][]string
	// fail makes the nth kubeadm call fail, counted from 1.
	fail int
}

func newFakeBoard(t *testing.T) *fakeBoard {
	b := boardtest.New(t)
	return &fakeBoard{Board: b, t: t, layout: b.Layout}
}

// pkiBoard has all that kubeadm's certs and kubeconfig phases make.
func pkiBoard(t *testing.T) *fakeBoard {
	b := newFakeBoard(t)
	b.MakePKI()
	return b
}

func put(t *testing.T, path, text string) {
	t.Helper()
	boardtest.Put(t, path, text)
}

// requireOnlyPatchesLeft: of kubeadm-arm's files only what an upgrade needs is left.
func (b *fakeBoard) requireOnlyPatchesLeft() {
	b.t.Helper()
	entries, err := os.ReadDir(b.layout.State())
	require.NoError(b.t, err)
	require.Len(b.t, entries, 1)
	require.Equal(b.t, "patches", entries[0].Name())
	files, err := manifests.DurablePatches(b.layout)
	require.NoError(b.t, err)
	require.Len(b.t, files, 1)
	require.Contains(b.t, files, "etcd-kubeadm-arm+json.yaml", "the component that the plan changes")
}

func (b *fakeBoard) kubeadm(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
	b.calls = append(b.calls, c.Args)
	args, err := kubeadm.Init.Parse(c.Args[1:])
	require.NoError(b.t, err)
	makes := !slices.Contains(args.List("skip-phases"), "control-plane")
	if len(b.calls) == b.fail {
		if makes {
			require.NoError(b.t, b.MakeManifest(plan.Etcd))
			put(b.t, b.layout.Manifest(plan.APIServer), "apiVersion: v1\nkind: Pod\nmetad")
		}
		return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: timed out\n",
			Err: errors.New("exit status 1")}
	}
	if makes {
		for _, component := range plan.Components() {
			if err := b.MakeManifest(component); err != nil {
				return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: " + err.Error() +
					"\n", Err: err}
			}
		}
	}
	return kubeadm.Result{Stdout: []byte("Your Kubernetes control-plane has initialized successfully!\nkubeadm join " +
		"--token abcdef.0123456789abcdef\n")}, nil
}

func testPlan() plan.Plan {
	wait := func(c string) plan.AwaitHealthy {
		return plan.AwaitHealthy{Component: c, Quiet: time.Minute, Patience: time.Minute, Restarts: 3, Poll: time.Millisecond}
	}
	return plan.Plan{
		Command: kubeadm.Init,
		Config: &plan.ConfigPlan{API: "v1beta4", Translate: true, PinToken: true,
			Edits: plan.ConfigEdits{plan.RaisedTimeout{Path: []string{"timeouts", "kubernetesAPICall"},
				AtLeast: 9 * time.Minute}}},
		Steps: []plan.Step{
			plan.RunPhases{Name: "head", What: "head", Keep: []string{"preflight", "certs", "kubeconfig", "etcd",
				"control-plane"}, Attempts: 1},
			plan.PatchManifests{Settings: map[string]patch.Settings{plan.Etcd: {Liveness: &patch.Probe{Period: 20,
				Reason: "slow"}}}},
			plan.StageManifests{Staged: []string{plan.APIServer, plan.ControllerManager, plan.Scheduler}},
			plan.RunPhases{Name: "kubelet", What: "kubelet", Keep: []string{"kubelet-start"}, Attempts: 1},
			wait(plan.Etcd),
			plan.ReleaseManifest{Component: plan.APIServer}, plan.ReleaseManifest{Component: plan.ControllerManager}, wait(plan.ControllerManager),
			plan.ReleaseManifest{Component: plan.Scheduler}, wait(plan.Scheduler),
			plan.RunPhases{Name: "tail", What: "tail", Keep: []string{"addon", "show-join-command"}, Attempts: 2},
		},
	}
}

func (b *fakeBoard) options(words ...string) Options {
	args, err := kubeadm.Init.Parse(words)
	require.NoError(b.t, err)
	behaviour, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(b.t, err)
	return Options{
		Layout: b.layout, Kubeadm: "/usr/bin/kubeadm", Behaviour: behaviour, Args: args, Plan: testPlan(),
		Check:  CheckInput{Command: kubeadm.Init, Request: journal.RequestOf(args, nil)},
		Runner: b.kubeadm, Now: time.Now, Tell: func(Event) {},
	}
}

func TestWalk(t *testing.T) {
	b := newFakeBoard(t)
	out, err := Run(context.Background(), b.options("--pod-network-cidr=10.244.0.0/16", "--skip-phases=addon/kube-proxy",
		"--upload-certs"))
	require.NoError(t, err)
	assert.Contains(t, out.ClosingWords, "kubeadm join")
	assert.Equal(t, []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}, b.Manifests())
	b.requireOnlyPatchesLeft()
	assert.Equal(t, "etcd", b.Seen[0], "the API server is asked for only once etcd answers")
	require.Len(t, b.calls, 3)
	for i, want := range []string{
		"init --upload-certs --config=CONFIG " +
			"--skip-phases=addon/kube-proxy,kubelet-start,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command",
		"init --upload-certs --config=CONFIG " +
			"--skip-phases=addon/kube-proxy,preflight,certs,kubeconfig,etcd,control-plane,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command",
		"init --upload-certs --config=CONFIG " +
			"--skip-phases=addon/kube-proxy,preflight,certs,kubeconfig,etcd,control-plane,kubelet-start,wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize",
	} {
		assert.Equal(t, want, strings.ReplaceAll(strings.Join(b.calls[i], " "), b.layout.ConfigCopy(), "CONFIG"))
	}
	text, err := os.ReadFile(b.layout.Manifest(plan.Etcd))
	require.NoError(t, err)
	assert.Contains(t, string(text), "periodSeconds: 20")
	assert.Len(t, out.Changes[plan.Etcd], 1)
}

// Whichever kubeadm call fails: nothing stays staged, the journal tells where,
// and the same request goes on to the end without doing the done steps again.
func TestFailAnywhereThenResume(t *testing.T) {
	for fail := 1; fail <= 2; fail++ {
		t.Run(fmt.Sprint("call ", fail), func(t *testing.T) {
			b := newFakeBoard(t)
			b.fail = fail
			o := b.options("--token=abcdef.0123456789abcdef")
			_, err := Run(context.Background(), o)
			var cmd *kubeadm.CommandError
			require.ErrorAs(t, err, &cmd)
			if fail > 1 {
				assert.Len(t, b.Manifests(), 4, "staged manifests are put back")
			}
			journal, err := os.ReadFile(b.layout.Journal())
			require.NoError(t, err)
			assert.NotContains(t, string(journal), "abcdef", "no secret in the journal")
			info, err := os.Stat(b.layout.ConfigCopy())
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

			j, err := Check(b.layout, o.Check)
			require.NoError(t, err)
			require.NotNil(t, j)
			if fail == 1 {
				assert.Equal(t, []string{"etcd"}, b.Manifests(), "what kubeadm left half written is removed")
			}
			o.Resume, o.Plan, b.fail, b.Sick = j, j.Plan, 0, 1
			before, asked := len(b.calls), len(b.Seen)
			out, err := Run(context.Background(), o)
			require.NoError(t, err)
			assert.Len(t, b.Manifests(), 4)
			b.requireOnlyPatchesLeft()
			if fail > 1 {
				assert.Equal(t, "etcd,kube-apiserver", b.Seen[asked+1],
					"what was staged is staged again, but for an API server that runs")
			}
			assert.Equal(t, 3-(fail-1), len(b.calls)-before, "what was done is not done again")
			if fail > 1 {
				assert.True(t, out.Steps[0].Skipped)
			} else {
				assert.Contains(t, strings.Join(b.calls[before], " "), "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
					"our own leftovers are no preflight error")
			}
		})
	}
}

func TestTailIsTriedAgain(t *testing.T) {
	b := newFakeBoard(t)
	b.fail = 3
	var notes []string
	o := b.options()
	o.Tell = func(e Event) {
		if e.Kind == Note {
			notes = append(notes, e.Detail)
		}
	}
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	assert.Equal(t, []string{"attempt 1 of 2 failed: timed out"}, notes)
}

func TestInterruptPutsStagedManifestsBack(t *testing.T) {
	b := newFakeBoard(t)
	ctx, cancel := context.WithCancel(context.Background())
	o := b.options()
	o.Tell = func(e Event) {
		if e.Kind == StepBegun && e.Step == "wait for etcd" {
			cancel()
		}
	}
	out, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	assert.ElementsMatch(t, []string{plan.APIServer, plan.ControllerManager, plan.Scheduler}, out.Released)
	assert.Len(t, b.Manifests(), 4)
}

func TestASecondRunIsLockedOut(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, os.MkdirAll(b.layout.State(), 0o700))
	unlock, err := state.Lock(b.layout)
	require.NoError(t, err)
	_, err = Run(context.Background(), b.options())
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, state.Locked, refused.Reason)
	assert.Contains(t, err.Error(), fmt.Sprint(os.Getpid()))
	unlock()
	_, err = Run(context.Background(), b.options())
	require.NoError(t, err)
}

func TestAnotherRequestDoesNotResume(t *testing.T) {
	b := newFakeBoard(t)
	b.fail = 2
	_, err := Run(context.Background(), b.options())
	require.Error(t, err)
	other, err := kubeadm.Init.Parse([]string{"--node-name=x"})
	require.NoError(t, err)
	_, err = Check(b.layout, CheckInput{Command: kubeadm.Init, Request: journal.RequestOf(other, nil)})
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, state.Changed, refused.Reason)
	assert.Contains(t, err.Error(), "--node-name is new")
}

// At every instant a manifest is in exactly one of its two places.
func TestStageAndRelease(t *testing.T) {
	l := state.Layout{Root: t.TempDir()}
	put(t, l.Manifest("etcd"), boardtest.Manifest("etcd", "127.0.0.1:1"))
	require.NoError(t, manifests.Stage(l, "etcd"))
	assert.NoFileExists(t, l.Manifest("etcd"))
	require.NoError(t, manifests.Stage(l, "etcd"), "again changes nothing")
	assert.Equal(t, []string{"etcd"}, manifests.Staged(l))
	require.NoError(t, manifests.Release(l, "etcd"))
	require.NoError(t, manifests.Release(l, "etcd"), "again changes nothing")
	assert.FileExists(t, l.Manifest("etcd"))
	require.Error(t, manifests.Stage(l, "kube-scheduler"), "there is none")
	released, err := manifests.ReleaseAll(l)
	require.NoError(t, err)
	assert.Empty(t, released)
	dir, err := manifests.Folder(l)
	require.NoError(t, err)
	assert.NoDirExists(t, dir)
	assert.Equal(t, filepath.Dir(dir), l.State())
}
