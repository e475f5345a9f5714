package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

var update = flag.Bool("update", false, "write the golden files anew")

func behaviour(t *testing.T, minor, patch int) kubeadm.Behaviour {
	t.Helper()
	b, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: minor, Patch: patch})
	require.NoError(t, err)
	return b
}

func config(t *testing.T, text string) *kubeadm.Config {
	t.Helper()
	c, err := kubeadm.ReadConfig(strings.NewReader(text), "k.yaml")
	require.NoError(t, err)
	return c
}

func args(t *testing.T, words ...string) kubeadm.Args {
	t.Helper()
	a, err := kubeadm.Init.Parse(words)
	require.NoError(t, err)
	return a
}

func twoCores(n float64) Speed {
	s := slow(n)
	s.Cores = 2
	return s
}

func slow(n float64) Speed {
	s := Reference().Times(n)
	s.FsyncP99 = 0.095 // an SD card, as measured by others
	return s
}

func decision(t *testing.T, p Plan, name string) Decision {
	t.Helper()
	for _, d := range p.Decisions {
		if d.Name == name {
			return d
		}
	}
	require.Fail(t, "no decision "+name)
	return Decision{}
}

func has(p Plan, name string) bool {
	for _, d := range p.Decisions {
		if d.Name == name {
			return true
		}
	}
	return false
}

// TestGoldenPlans keeps the whole plan of a few boards in testdata/plans; what
// changes there is what an owner will see change.
func TestGoldenPlans(t *testing.T) {
	for name, f := range map[string]Facts{
		"slow-v1.37": {Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 37, 2)},
		"twocores-v1.37": {Profile: Balanced, Speed: twoCores(15), Kubeadm: behaviour(t, 37, 2),
			Board: hwdetect.Board{CPU: hwdetect.CPU{Count: 2}}},
		"slowest-v1.37":    {Profile: Balanced, Speed: slow(60), Kubeadm: behaviour(t, 37, 2)},
		"fast-v1.37":       {Profile: Balanced, Speed: Reference(), Kubeadm: behaviour(t, 37, 2)},
		"slow-v1.28":       {Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 28, 15)},
		"slow-v1.13":       {Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 13, 1)},
		"frugal-v1.37":     {Profile: Frugal, Speed: slow(7), Kubeadm: behaviour(t, 37, 2)},
		"responsive-v1.37": {Profile: Responsive, Speed: slow(15), Kubeadm: behaviour(t, 37, 2)},
		"endpoint-v1.37": {Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 37, 2),
			Args: args(t, "--control-plane-endpoint=cluster.example:6443")},
		"external-v1.37": {Speed: slow(15), Kubeadm: behaviour(t, 37, 2),
			Config: config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\netcd:\n  external:\n    "+
				"endpoints: [https://10.0.0.9:2379]\n")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(MakeInit(f), "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')
			path := "../testdata/plans/" + name + ".json"
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
		})
	}
}

func TestEveryDecisionHasAReason(t *testing.T) {
	for n := 1.0; n < 200; n *= 1.7 {
		for _, d := range MakeInit(Facts{Speed: slow(n), Kubeadm: behaviour(t, 37, 2)}).Decisions {
			assert.NotEmpty(t, d.Reason, d.Name)
			assert.NotEmpty(t, d.Value, d.Name)
		}
	}
}

// What the owner's patches set is kept, and the plan says so for every field.
func TestOwnersPatchesWin(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/kube-scheduler.yaml",
		[]byte("spec: {containers: [{name: kube-scheduler, readinessProbe: {periodSeconds: 2}}]}\n"), 0o644))
	require.NoError(t, os.WriteFile(dir+"/etcd+json.yaml",
		[]byte("- {op: add, path: /spec/containers/0/command/-, value: --heartbeat-interval=100}\n"), 0o644))
	owned, err := patch.ReadOwned(dir)
	require.NoError(t, err)
	for _, s := range MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Owned: owned}).Steps {
		if p, ok := s.(PatchManifests); ok {
			assert.Equal(t, []string{"periodSeconds"}, p.Settings[Scheduler].Readiness.UserSet)
			assert.Empty(t, p.Settings[Scheduler].Liveness.UserSet)
			assert.True(t, p.Settings[Etcd].Flags[0].UserSet)
			assert.False(t, p.Settings[Etcd].Flags[1].UserSet)
			return
		}
	}
	require.Fail(t, "a slow board's plan patches")
}

// A plan survives the journal.
func TestPlanRoundTrip(t *testing.T) {
	p := MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2)})
	text, err := json.Marshal(p)
	require.NoError(t, err)
	var again Plan
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, p, again)
	text2, err := json.Marshal(again)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(text, text2))
	require.Error(t, json.Unmarshal([]byte(`{"steps":[{"kind":"format disk","step":{}}]}`), &again))
}

func TestTheSameFactsGiveTheSamePlan(t *testing.T) {
	f := Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2)}
	first, err := json.Marshal(MakeInit(f))
	require.NoError(t, err)
	for range 20 {
		again, err := json.Marshal(MakeInit(f))
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}

// A slower board never gets less time for anything.
func TestSlowerNeverGetsLess(t *testing.T) {
	var before []time.Duration
	for n := 8.0; n < 100; n *= 1.3 {
		p := MakeInit(Facts{Speed: slow(n), Kubeadm: behaviour(t, 37, 2)})
		var now []time.Duration
		for _, s := range p.Steps {
			if a, ok := s.(AwaitHealthy); ok {
				now = append(now, a.Predicted, a.Quiet, a.Patience)
			}
		}
		for _, e := range p.Config.Edits {
			if raised, ok := e.(RaisedTimeout); ok {
				now = append(now, raised.AtLeast)
			}
		}
		for i := range min(len(before), len(now)) {
			assert.GreaterOrEqual(t, now[i], before[i], "slowdown %.1f", n)
		}
		before = now
	}
}

// A timeout that kubeadm init does not read is none: upgrades read theirs from
// UpgradeConfiguration alone.
func TestOnlyTimeoutsThatInitReads(t *testing.T) {
	var got []string
	for _, e := range MakeInit(Facts{Speed: slow(15), Kubeadm: behaviour(t, 37, 2)}).Config.Edits {
		if raised, ok := e.(RaisedTimeout); ok {
			got = append(got, raised.Path[len(raised.Path)-1])
		}
	}
	assert.Equal(t, []string{"controlPlaneComponentHealthCheck", "kubernetesAPICall", "kubeletHealthCheck"}, got)
}

func TestTheOwnersChoicesStay(t *testing.T) {
	c := config(t, `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
timeouts:
  kubernetesAPICall: 2h
bootstrapTokens:
- token: abcdef.0123456789abcdef
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
encryptionAlgorithm: RSA-4096
scheduler:
  extraArgs:
  - name: leader-elect-lease-duration
    value: 30s
`)
	p := MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Config: c})
	assert.Equal(t, "RSA-4096", decision(t, p, KeyAlgorithm).Value)
	assert.Equal(t, "2h0m0s", decision(t, p, "timeouts.kubernetesAPICall").Value)
	assert.False(t, p.Config.PinToken)
	for _, profile := range []Profile{Responsive, Balanced} {
		c := config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration:\n  "+
			"kubeletExtraArgs:\n  - name: housekeeping-interval\n    value: 15s\n")
		for _, e := range MakeInit(Facts{Profile: profile, Speed: slow(30), Kubeadm: behaviour(t, 37, 2),
			Config: c}).Config.Edits {
			_, flag := e.(KubeletFlag)
			assert.False(t, flag, "the owner's stays")
		}
	}
	for _, e := range p.Config.Edits {
		assert.NotEqual(t, "encryptionAlgorithm", e.json().Path[0])
		assert.NotEqual(t, []string{"timeouts", "kubernetesAPICall"}, e.json().Path)
	}
	for _, s := range p.Steps {
		if m, ok := s.(PatchManifests); ok {
			assert.True(t, m.Settings[Scheduler].Flags[0].UserSet)
			assert.False(t, m.Settings[ControllerManager].Flags[0].UserSet)
		}
	}
	p = MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), HasCA: true})
	assert.Contains(t, decision(t, p, KeyAlgorithm).Reason, "a CA already")
}

// The owner's validity goes into the configuration, also of a fast board, and the
// authority lives twice as long.
func TestValidity(t *testing.T) {
	fields := func(validity time.Duration) map[string]string {
		p := MakeInit(Facts{Speed: slow(1), Kubeadm: behaviour(t, 37, 2), Validity: validity})
		all := map[string]string{}
		if p.Config != nil {
			for _, e := range p.Config.Edits {
				if f, ok := e.(TextField); ok && strings.HasSuffix(f.Path[0], "ValidityPeriod") {
					all[f.Path[0]] = f.Text
				}
			}
		}
		return all
	}
	const year = 365 * 24 * time.Hour
	assert.Empty(t, fields(0))
	assert.Equal(t, map[string]string{"certificateValidityPeriod": "17520h0m0s"}, fields(2*year))
	assert.Equal(t, map[string]string{
		"certificateValidityPeriod": "87600h0m0s", "caCertificateValidityPeriod": "175200h0m0s",
	}, fields(10*year))
	p := MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 28, 15), Validity: year})
	assert.Contains(t, strings.Join(p.Warnings, "\n"), "certificates are valid for a year")
	assert.False(t, HasValidity("v1"), "the experimental config is passed on as it is")
	// An authority of the owner's that lives longer stays.
	for own, stays := range map[string]bool{"262800h": true, "175200h0m0s": true, "100000h": false} {
		c := config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+
			"caCertificateValidityPeriod: "+own+"\n")
		p := MakeInit(Facts{Speed: slow(1), Kubeadm: behaviour(t, 37, 2), Validity: 10 * year, Config: c})
		changed := false
		for _, e := range p.Config.Edits {
			f, ok := e.(TextField)
			changed = changed || ok && f.Path[0] == "caCertificateValidityPeriod"
		}
		assert.Equal(t, stays, !changed, own)
	}
}

// The API v1 of kubeadm v1.37 is read and passed on, never written; it was said
// that keys and timeouts were chosen, and they were not.
func TestTheExperimentalConfigIsPassedOn(t *testing.T) {
	c := config(t, "apiVersion: kubeadm.k8s.io/v1\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: "+
		"cluster.example:6443\nscheduler: {extraArgs: [{name: leader-elect-lease-duration, value: "+
		"30s}]}\n---\napiVersion: kubeadm.k8s.io/v1\nkind: InitConfiguration\nskipPhases: [addon]\n")
	p := MakeInit(Facts{Profile: Balanced, Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Config: c})
	assert.Equal(t, &ConfigPlan{API: "v1", Translate: true}, p.Config)
	assert.Contains(t, strings.Join(p.Warnings, "\n"), "experimental")
	for _, name := range []string{"key algorithm", "timeouts.kubernetesAPICall"} {
		assert.False(t, has(p, name), name)
	}
	// What stands in it counts.
	assert.False(t, has(p, "leader election"), "a second node can join")
	for _, s := range p.Steps {
		if m, ok := s.(PatchManifests); ok {
			assert.True(t, m.Settings[Scheduler].Flags[0].UserSet)
		}
	}
	for minor := kubeadm.OldestMinor; minor <= kubeadm.NewestMinor+1; minor++ {
		b := behaviour(t, minor, 0)
		assert.NotEqual(t, "v1", b.ConfigWrite())
		assert.Equal(t, minor >= 37, b.ReadsConfig("v1"), minor)
	}
}

func TestWhatTheOwnerSkipsIsNotStaged(t *testing.T) {
	p := MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2),
		Args: args(t, "--skip-phases=control-plane/scheduler")})
	for _, s := range p.Steps {
		assert.NotEqual(t, ReleaseManifest{Component: Scheduler}, s)
	}
	p = MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Args: args(t, "--skip-phases=kubelet-start")})
	assert.Len(t, p.Steps, 1, "without our kubelet there is nothing to stage for")
	// The list in the config counts when there is no flag.
	c := config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nskipPhases: [control-plane]\n")
	p = MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Config: c})
	assert.Len(t, p.Steps, 1)
}

func TestAFastBoardIsLeftAlone(t *testing.T) {
	p := MakeInit(Facts{Speed: Reference(), Kubeadm: behaviour(t, 37, 2)})
	assert.Nil(t, p.Config)
	assert.Len(t, p.Steps, 1)
	assert.False(t, has(p, "probe period"))
	assert.Empty(t, Patches(Facts{Speed: Reference(), Kubeadm: behaviour(t, 37, 2)}))
}

// Seen on a busy board with 5 % of a core: the benchmark ran out of time before
// the Go work, and the board was taken for the reference board.
func TestWhatWasNotMeasuredIsNeverFast(t *testing.T) {
	p := MakeInit(Facts{Kubeadm: behaviour(t, 37, 2)})
	assert.Contains(t, decision(t, p, "slowdown").Reason, "a slow board is assumed")
	assert.Equal(t, "on", decision(t, p, StagedStart).Value)
	s := slow(20)
	s.Work = 0
	p = MakeInit(Facts{Speed: s, Kubeadm: behaviour(t, 37, 2)})
	assert.Equal(t, "20.0", decision(t, p, "slowdown").Value)
	assert.Contains(t, decision(t, p, "slowdown").Reason, "handshake with ECDSA keys")
	s.HandshakeECDSA = 0
	p = MakeInit(Facts{Speed: s, Kubeadm: behaviour(t, 37, 2)})
	assert.Equal(t, "20.0", decision(t, p, "slowdown").Value)
}

// A short look ends early where half as long again, or two thirds, would be planned for
// alike.
func TestWhereAShortLookIsSure(t *testing.T) {
	for times, want := range map[float64]bool{1: true, 3: true, 8: false, 10: false, 25: true, 200: true} {
		assert.Equal(t, want, slow(times).Sure(), times)
	}
	assert.False(t, Speed{}.Sure())
	s := slow(25)
	s.HandshakeRSA = 0
	assert.False(t, s.Sure(), "the kind of keys is still to be chosen")
}

func TestFlagsWithoutAPlaceInAConfigLeaveItUnwritten(t *testing.T) {
	p := MakeInit(Facts{Speed: slow(30), Kubeadm: behaviour(t, 37, 2), NoConfig: "flag --new has no place"})
	assert.Nil(t, p.Config)
	assert.Contains(t, strings.Join(p.Warnings, "\n"), "--new has no place")
}

// The kubelet's certificate is moved before it starts, unless kubeadm would not
// move it either or this program cannot know.
func TestFinalizedBeforeTheKubeletStarts(t *testing.T) {
	kubeletConfig := func(text string) *kubeadm.Config {
		return config(t, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"+text)
	}
	for name, c := range map[string]struct {
		f     Facts
		early bool
	}{
		"v1.37":               {Facts{Kubeadm: behaviour(t, 37, 2)}, true},
		"v1.17":               {Facts{Kubeadm: behaviour(t, 17, 17)}, true},
		"before it was there": {Facts{Kubeadm: behaviour(t, 16, 0)}, false},
		"newer than known":    {Facts{Kubeadm: behaviour(t, kubeadm.NewestMinor+1, 0)}, false},
		"skipped": {Facts{Kubeadm: behaviour(t, 37, 2), Args: args(t, "--skip-phases=kubelet-finalize")},
			false},
		"its part skipped": {Facts{Kubeadm: behaviour(t, 37, 2),
			Args: args(t, "--skip-phases=kubelet-finalize/enable-client-cert-rotation")}, false},
		"no rotation": {Facts{Kubeadm: behaviour(t, 37, 2), Config: kubeletConfig("rotateCertificates: false\n")},
			false},
		"rotation as it is": {Facts{Kubeadm: behaviour(t, 37, 2), Config: kubeletConfig("rotateCertificates: true\n")},
			true},
		"the owner's cert-dir": {Facts{Kubeadm: behaviour(t, 37, 2),
			Config: config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration:\n  "+
				"kubeletExtraArgs:\n  - {name: cert-dir, value: /x}\n")}, false},
		"the owner's kubeconf.": {Facts{Kubeadm: behaviour(t, 37, 2), Args: args(t, "--skip-phases=kubeconfig/kubelet")},
			false},
	} {
		for _, speed := range []Speed{twoCores(15), Reference()} {
			t.Run(name, func(t *testing.T) {
				c.f.Speed, c.f.Profile, c.f.Board = speed, Balanced, hwdetect.Board{CPU: hwdetect.CPU{Count: 2}}
				p := MakeInit(c.f)
				at, finalizes := -1, false
				for i, s := range p.Steps {
					switch s := s.(type) {
					case KubeletCertificates:
						if s.Client {
							at = i
						}
					case RunPhases:
						if slices.Contains(s.Keep, "kubelet-start") && c.early {
							assert.NotEqual(t, -1, at, "before the kubelet starts")
						}
						finalizes = finalizes || slices.Contains(s.Keep, "kubelet-finalize")
					}
				}
				assert.Equal(t, c.early, at >= 0)
				assert.Equal(t, c.early, has(p, "phase kubelet-finalize"))
				assert.Equal(t, !c.early && c.f.Kubeadm.Version.Minor >= 17, finalizes)
			})
		}
	}
}

// Seen on emulated boards with two cores and with four: kubelet-finalize started
// the kubelet again while it made the containers of scheduler and
// controller-manager, and both ended and were made a second time.
func TestNoKubeletIsStartedAgainBesideAStart(t *testing.T) {
	for minor := kubeadm.OldestMinor; minor <= kubeadm.NewestMinor+1; minor++ {
		for _, speed := range []Speed{twoCores(15), slow(15)} {
			p := MakeInit(Facts{Profile: Balanced, Speed: speed, Kubeadm: behaviour(t, minor, 0),
				Board: hwdetect.Board{CPU: hwdetect.CPU{Count: 2}}})
			starting := map[string]bool{}
			for _, s := range p.Steps {
				switch s := s.(type) {
				case ReleaseManifest:
					starting[s.Component] = true
				case AwaitHealthy:
					delete(starting, s.Component)
				case RunPhases:
					assert.False(t, len(starting) > 0 && slices.Contains(s.Keep, "kubelet-finalize"), "v1.%d", minor)
				}
			}
		}
	}
}

// The controller-manager ends itself when the API server is not healthy within ten
// seconds of its own start (WaitForAPIServer, cmd/kube-controller-manager/app). Seen on
// a busy machine at full speed, where it was not staged.
func TestControllerManagerStartsAfterTheAPIServerIsHealthy(t *testing.T) {
	for _, profile := range []Profile{Balanced, Frugal} {
		for _, speed := range []Speed{Reference(), slow(7), twoCores(15), slow(60)} {
			for minor := kubeadm.OldestMinor; minor <= kubeadm.NewestMinor; minor++ {
				p := MakeInit(Facts{Profile: profile, Speed: speed, Kubeadm: behaviour(t, minor, 0)})
				healthy, staged, released := false, false, false
				for _, s := range p.Steps {
					switch s := s.(type) {
					case StageManifests:
						staged = slices.Contains(s.Staged, ControllerManager)
					case RunPhases:
						assert.True(t, staged || !slices.Contains(s.Keep, "kubelet-start"), "staged before the kubelet starts")
						assert.False(t, slices.Contains(s.Keep, "wait-control-plane"), "kubeadm would wait for it")
					case AwaitHealthy:
						healthy = healthy || s.Component == APIServer
					case ReleaseManifest:
						if s.Component == ControllerManager {
							released = true
							assert.True(t, healthy, "%s v1.%d", profile, minor)
						}
					}
				}
				assert.True(t, released, "%s v1.%d", profile, minor)
			}
		}
	}
	for _, s := range MakeInit(Facts{Profile: Responsive, Speed: Reference(), Kubeadm: behaviour(t, 37, 2)}).Steps {
		assert.NotEqual(t, StageManifests{Staged: []string{ControllerManager}}, s, "it changes nothing on a fast board")
	}
}

// The kubelet's own certificate is made for it where RSA keys are slow, unless it
// would make none or the owner has one.
func TestServingCertificate(t *testing.T) {
	kubelet := func(text string) *kubeadm.Config {
		return config(t, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"+text)
	}
	cluster := func(text string) *kubeadm.Config {
		return config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+text)
	}
	b := behaviour(t, 37, 2)
	for name, c := range map[string]struct {
		f    Facts
		want bool
	}{
		"ours":           {Facts{Speed: slow(15), Kubeadm: b}, true},
		"an old kubeadm": {Facts{Speed: slow(15), Kubeadm: behaviour(t, 13, 1)}, false},
		"a fast board":   {Facts{Speed: Reference(), Kubeadm: b}, false},
		"a CA is here":   {Facts{Speed: slow(15), Kubeadm: b, HasCA: true}, false},
		"the owner wants RSA": {Facts{Speed: slow(15), Kubeadm: b, Config: cluster("encryptionAlgorithm: RSA-3072\n")},
			false},
		"the owner wants it": {Facts{Speed: slow(15), Kubeadm: b, Config: cluster("encryptionAlgorithm: ECDSA-P256\n")},
			true},
		"signed by the CA":  {Facts{Speed: slow(15), Kubeadm: b, Config: kubelet("serverTLSBootstrap: true\n")}, false},
		"the owner's":       {Facts{Speed: slow(15), Kubeadm: b, Config: kubelet("tlsCertFile: /x\n")}, false},
		"started by others": {Facts{Speed: slow(15), Kubeadm: b, Args: args(t, "--skip-phases=kubelet-start")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := false
			for _, s := range MakeInit(c.f).Steps {
				if k, ok := s.(KubeletCertificates); ok {
					got = got || k.Serving
				}
			}
			assert.Equal(t, c.want, got)
		})
	}
}

// The controller-manager shows the API server's certificate, where it can read it
// and the owner has no other.
func TestSharedCertificate(t *testing.T) {
	b := behaviour(t, 37, 2)
	for name, c := range map[string]struct {
		f    Facts
		want string
	}{
		"usual": {Facts{}, "/etc/kubernetes/pki/apiserver.crt"},
		"elsewhere": {Facts{Config: config(t,
			"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncertificatesDir: /srv/pki/\n")}, "/srv/pki/apiserver.crt"},
		"elsewhere by flag": {Facts{Args: args(t, "--cert-dir=/srv/pki")}, "/srv/pki/apiserver.crt"},
		"another user's":    {Facts{Args: args(t, "--feature-gates=RootlessControlPlane=true")}, ""},
		"the owner has them": {Facts{Config: config(t,
			"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrollerManager:\n  extraArgs: [{name: "+
				"tls-private-key-file, value: /x}]\n")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.f.Speed, c.f.Kubeadm, c.f.Profile = slow(15), b, Balanced
			got := map[string]string{}
			for _, s := range MakeInit(c.f).Steps {
				if p, ok := s.(PatchManifests); ok {
					for _, f := range p.Settings[ControllerManager].Flags {
						got[f.Name] = f.Value
					}
				}
			}
			assert.Equal(t, c.want, got["tls-cert-file"])
			assert.Equal(t, strings.Replace(c.want, ".crt", ".key", 1), got["tls-private-key-file"])
		})
	}
}
