package bootstrap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Whatever has changed since the interruption is named, nothing is begun, and
// nothing on the disk moves.
func TestWhatChangedIsNamed(t *testing.T) {
	bpi := journal.BoardID{Model: "LeMaker Banana Pi", CPU: "Cortex-A7", Cores: 2}
	pi := journal.BoardID{Model: "Raspberry Pi Model B", CPU: "ARM1176", Cores: 1}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		change func(*fakeBoard, *CheckInput)
		want   string
	}{
		{"flag", func(_ *fakeBoard, in *CheckInput) {
			in.Request = requestOf(t, nil, "--node-name=other", "--token-ttl=1h")
		}, "since then --node-name has changed, --token-ttl is new"},
		{"flag left out", func(_ *fakeBoard, in *CheckInput) { in.Request = requestOf(t, nil) },
			"since then --node-name is missing"},
		{"config", func(_ *fakeBoard, in *CheckInput) {
			in.Request = requestOf(t, []byte("x"), "--node-name=bpi")
		}, "since then the text of the --config file is new"},
		{"kubeadm", func(_ *fakeBoard, in *CheckInput) { in.KubeadmVersion = "v1.36.3" },
			"begun with kubeadm v1.37.2, this is kubeadm v1.36.3"},
		{"board", func(_ *fakeBoard, in *CheckInput) { in.Board = pi },
			"begun on another board: LeMaker Banana Pi (2 cores, Cortex-A7); this is Raspberry Pi Model B (1 cores, ARM1176)"},
		{"address", func(_ *fakeBoard, in *CheckInput) { in.Addresses = []string{"192.168.1.7", "fd00::7"} },
			"the board's address has changed: certificates and etcd were made for 192.168.1.155, now it has 192.168.1.7, fd00::7"},
		{"clock back", func(_ *fakeBoard, in *CheckInput) { in.Now = time.Unix(60, 0) },
			"the clock has jumped back: it says 1970-01-01, and ca.crt is valid from 2025-12-31"},
		{"clock ahead", func(_ *fakeBoard, in *CheckInput) { in.Now = now.AddDate(30, 0, 0) },
			"the clock has jumped: it says 2056-01-01, and ca.crt was valid from 2025-12-31 to 2026-12-31"},
		{"reset since", func(b *fakeBoard, _ *CheckInput) {
			for _, c := range plan.Components() {
				require.NoError(b.t, os.Remove(b.layout.Manifest(c)))
			}
		}, "what the interrupted run made is gone: "},
		{"emptied by the disk", func(b *fakeBoard, _ *CheckInput) {
			require.NoError(b.t, os.Truncate(b.layout.Manifest(plan.Scheduler), 0))
		}, "kube-scheduler.yaml is empty since the interruption: the disk lost it"},
		{"a kubeadm at work", func(b *fakeBoard, _ *CheckInput) {
			put(b.t, b.layout.Proc()+"/77/cmdline", "/usr/bin/kubeadm\x00-v5\x00init\x00")
			require.NoError(b.t, os.Symlink("/usr/bin/kubeadm", b.layout.Proc()+"/77/exe"))
		}, "a kubeadm is running on this board (pid 77: kubeadm init)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newFakeBoard(t)
			b.fail = 2
			o := b.options("--node-name=bpi")
			in := &o.Check
			in.Board, in.KubeadmVersion, in.Now, in.Addresses = bpi, "v1.37.2", now, []string{"192.168.1.155"}
			putCertificate(t, b.layout.CACert(), now.AddDate(0, 0, -1), now.AddDate(1, 0, -1))
			_, err := Run(context.Background(), o)
			require.ErrorContains(t, err, "exit status 1", "the kubeadm of this board fails the second time")
			etcd, err := os.ReadFile(b.layout.Manifest(plan.Etcd))
			require.NoError(t, err)
			put(t, b.layout.Manifest(plan.Etcd), strings.Replace(string(etcd), "--secure-port=1",
				"--listen-client-urls=https://127.0.0.1:2379,https://192.168.1.155:2379", 1))
			j, err := Check(b.layout, o.Check)
			require.NoError(t, err, "nothing has changed")
			require.NotNil(t, j)

			c.change(b, in)
			before := b.tree()
			_, err = Check(b.layout, o.Check)
			var refused *state.RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Contains(t, err.Error(), c.want)
			assert.NotEmpty(t, refused.Hint())
			calls := len(b.calls)
			o.Resume = j
			_, err = Run(context.Background(), o)
			require.ErrorContains(t, err, c.want, "and it is noticed under the lock too")
			after := b.tree()
			for _, m := range []map[string]string{before, after} {
				delete(m, strings.TrimPrefix(b.layout.Lock(), b.layout.Root))
			}
			assert.Equal(t, before, after)
			assert.Len(t, b.calls, calls)
		})
	}
}

func TestAnyway(t *testing.T) {
	b, o := interrupted(t)
	o.Check.Board = journal.BoardID{Model: "another"}
	_, err := Check(b.layout, o.Check)
	require.ErrorContains(t, err, "begun on another board")
	o.Check.Anyway = true
	j, err := Check(b.layout, o.Check)
	require.NoError(t, err)
	require.NotNil(t, j)
}

func requestOf(t *testing.T, config []byte, words ...string) journal.Request {
	args, err := kubeadm.Init.Parse(words)
	require.NoError(t, err)
	return journal.RequestOf(args, config)
}

// A failed preflight check changes nothing: the next try may have other flags,
// and it is a first one.
func TestFailedPreflightBindsNobody(t *testing.T) {
	b := newFakeBoard(t).withSystemd()
	require.NoError(t, os.MkdirAll(b.layout.At("/etc/systemd/system"), 0o755))
	before := b.tree()
	o := b.options("--node-name=a")
	o.Plan.Steps = append([]plan.Step{plan.TuneServices{TimerSlack: time.Millisecond}}, o.Plan.Steps...)
	tuned := false
	o.Layout.FS.Hook = func(c durable.Change) error {
		tuned = tuned || strings.HasSuffix(c.Path, "50-kubeadm-arm.conf")
		return nil
	}
	o.Runner = func(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1,
			Tail: "[ERROR NumCPU]: 1 is less than 2\n", Err: os.ErrInvalid}
	}
	_, err := Run(context.Background(), o)
	require.Error(t, err)
	require.NoDirExists(t, b.layout.State(), "nothing is left behind")
	require.True(t, tuned)
	require.Equal(t, before, b.tree(), "nor a drop-in")
	o = b.options("--node-name=b", "--ignore-preflight-errors=NumCPU")
	j, err := Check(b.layout, o.Check)
	require.NoError(t, err)
	require.Nil(t, j)
	_, err = Run(context.Background(), o)
	require.NoError(t, err)
}

// The power goes before a run has changed anything. Another run may begin, while resume keeps the
// plan, which the owner has chosen a profile for.
func TestResumeKeepsThePlanOfARunThatChangedNothing(t *testing.T) {
	b := newFakeBoard(t)
	o := b.options("--node-name=a")
	off := false
	o.Layout.FS.Hook = func(durable.Change) error {
		if off {
			return errCut
		}
		return nil
	}
	o.Runner = func(context.Context, kubeadm.Command) (kubeadm.Result, error) {
		off = true
		return kubeadm.Result{}, errCut
	}
	_, err := Run(context.Background(), o)
	require.Error(t, err)
	require.FileExists(t, b.layout.Journal())
	j, err := Check(b.layout, b.options("--node-name=b").Check)
	require.NoError(t, err)
	require.Nil(t, j)
	o = b.options("--node-name=a")
	j, err = Interrupted(b.layout)
	require.NoError(t, err)
	b.resume(&o, j)
	out, err := Run(context.Background(), o)
	require.NoError(t, err)
	assert.Len(t, out.Steps, len(testPlan().Steps))
}

// The clock on the wall jumps by thirty years, ahead and back, at every look at
// it, as it does when a board without a battery gets the network's time. Waits go
// by the clock that only runs.
func TestClockJumps(t *testing.T) {
	b := newFakeBoard(t)
	b.Sick = 5
	o := b.options()
	looks := 0
	o.Now = func() time.Time {
		looks++
		return jumped(time.Now(), time.Duration(1-2*(looks%2))*30*365*24*time.Hour)
	}
	out, err := Run(context.Background(), o)
	require.NoError(t, err)
	for _, s := range out.Steps {
		assert.Less(t, s.Took, time.Hour, s.Step.Title())
		assert.GreaterOrEqual(t, s.Took, time.Duration(0), s.Step.Title())
	}
	require.Greater(t, looks, 20)
}

// A journal from the future, or from 1970, is gone on with like any other.
func TestJournalOfAnotherTime(t *testing.T) {
	for _, started := range []time.Time{time.Unix(0, 0), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)} {
		b, o := interrupted(t)
		j, err := journal.Read(b.layout.Journal())
		require.NoError(t, err)
		j.Started = started
		require.NoError(t, j.Write(b.layout))
		require.NoError(t, os.Chtimes(b.layout.Journal(), started, started))
		b.resume(&o, j)
		_, err = Run(context.Background(), o)
		require.NoError(t, err)
	}
}

// jumped moves the wall part of a time and leaves the monotonic part, which
// package time has no door for (the layout is that of time.Time: 33 bits of
// seconds above 30 bits of nanoseconds, when there is a monotonic part).
func jumped(t time.Time, by time.Duration) time.Time {
	p := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	if p.wall>>63 != 1 {
		panic("no monotonic part")
	}
	p.wall += uint64(int64(by/time.Second)) << 30
	p.wall |= 1 << 63
	return t
}

func TestJumped(t *testing.T) {
	now := time.Now()
	later := jumped(now, 30*365*24*time.Hour)
	assert.Equal(t, now.Year()+30, later.AddDate(0, 1, 0).Year(), "the wall has moved")
	assert.Zero(t, later.Sub(now), "the other clock has not")
}

// putCertificate writes a self-signed CA and its key.
func putCertificate(t *testing.T, path string, from, to time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: from,
		NotAfter: to,
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	put(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	text, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	put(t, strings.TrimSuffix(path, ".crt")+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY",
		Bytes: text})))
}

// Two runs at once: one goes through, the other is told who is at work, and
// changes nothing.
func TestConcurrentRuns(t *testing.T) {
	b := newFakeBoard(t)
	first := b.options()
	entered, proceed := make(chan struct{}), make(chan struct{})
	inner := first.Runner
	once := false
	first.Runner = func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		if !once {
			once = true
			close(entered)
			<-proceed
		}
		return inner(ctx, c)
	}
	done := make(chan error)
	go func() {
		_, err := Run(context.Background(), first)
		done <- err
	}()
	<-entered
	second := newFakeBoard(t)
	o := second.options()
	o.Layout = b.layout
	_, err := Run(context.Background(), o)
	require.ErrorContains(t, err, fmt.Sprintf("another kubeadm-arm is running on this board (pid %d)", os.Getpid()))
	_, err = Abort(b.layout)
	require.ErrorContains(t, err, "is running on this board")
	_, _, err = Reset(b.layout, func() error { t.Error("kubeadm reset was run"); return nil })
	require.ErrorContains(t, err, "is running on this board")
	close(proceed)
	require.NoError(t, <-done)
	assert.Empty(t, second.calls)
}

// A lock file that a killed process left is no lock, also when its number has
// been given to another process since.
func TestStaleLock(t *testing.T) {
	b := newFakeBoard(t)
	put(t, filepath.Join(b.layout.Proc(), "sys/kernel/random/boot_id"), "this-boot\n")
	put(t, filepath.Join(b.layout.Proc(), "4711/stat"), "4711 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 500 1 1 1\n")
	for name, h := range map[string]struct {
		holder state.Holder
		alive  bool
	}{
		"itself":             {state.Holder{PID: 4711, Ticks: 500, BootID: "this-boot"}, true},
		"its number again":   {state.Holder{PID: 4711, Ticks: 400, BootID: "this-boot"}, false},
		"before a new start": {state.Holder{PID: 4711, Ticks: 500, BootID: "last-boot"}, false},
		"gone":               {state.Holder{PID: 4712, Ticks: 500, BootID: "this-boot"}, false},
		"nobody":             {state.Holder{}, false},
	} {
		assert.Equal(t, h.alive, state.Alive(b.layout, h.holder), name)
	}
	put(t, b.layout.Lock(), `{"pid":4711,"startTicks":400,"bootID":"this-boot"}`)
	require.NoError(t, os.Chmod(b.layout.State(), 0o700))
	_, err := Run(context.Background(), b.options())
	require.NoError(t, err)
}

// interrupted is a board whose run failed at the second kubeadm call.
func interrupted(t *testing.T, words ...string) (*fakeBoard, Options) {
	b := newFakeBoard(t)
	b.fail = 2
	o := b.options(words...)
	_, err := Run(context.Background(), o)
	require.Error(t, err)
	b.fail = 0
	return b, o
}

// resume has the options go on with a journal as the commands resume and abort do: what was asked
// for is what the journal knows of it.
func (b *fakeBoard) resume(o *Options, j *journal.Journal) {
	b.t.Helper()
	args, err := j.Resumable(b.layout)
	require.NoError(b.t, err)
	o.Args = args
	o.Check.Resume, o.Check.Request = true, j.RequestAgain(journal.RequestOf(args, nil))
	o.Resume, err = Check(b.layout, o.Check)
	require.NoError(b.t, err)
	require.NotNil(b.t, o.Resume)
	o.Plan = o.Resume.Plan
}

// resume needs no words: the journal has them, but for the secret ones, which
// stand in the configuration's copy.
func TestResumeByHand(t *testing.T) {
	b, o := interrupted(t, "--node-name=bpi", "--token", "abcdef.0123456789abcdef", "--skip-phases=addon/kube-proxy",
		"-v5")
	j, err := Interrupted(b.layout)
	require.NoError(t, err)
	assert.Equal(t, []string{"--node-name=bpi", "--skip-phases=addon/kube-proxy", "-v5"}, j.Args)
	assert.Equal(t, []string{"token"}, j.Omitted)
	b.resume(&o, j)
	_, err = Run(context.Background(), o)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(b.calls[2], " "), "--skip-phases=addon/kube-proxy,preflight")
	b.requireOnlyPatchesLeft()
}

// One journal serves all commands: while one is interrupted, no other begins.
func TestAnotherCommandIsInterrupted(t *testing.T) {
	b, o := interrupted(t)
	o.Check.Command = "upgrade"
	_, err := Check(b.layout, o.Check)
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, state.Changed, refused.Reason)
	assert.ErrorContains(t, err, "an interrupted init is recorded (step 4 of 11")
	assert.Contains(t, refused.Hint(), "kubeadm-arm resume")
}
