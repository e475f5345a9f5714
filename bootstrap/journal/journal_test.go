package journal

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// slowPlan is one that package plan makes.
func slowPlan(t testing.TB) (p plan.Plan) {
	text, err := os.ReadFile("../../testdata/plans/slow-v1.37.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &p))
	return p
}

func journalText(t testing.TB) []byte {
	j := &Journal{Version: Version, Started: time.Unix(0, 0), Plan: slowPlan(t), Done: 3, Begun: true,
		Request: Request{"--node-name": "sha256:00"}, Before: []string{"pki/ca.crt"},
		Written: map[string]string{"/x": "sha256:00"}}
	text, err := json.MarshalIndent(j, "", " ")
	require.NoError(t, err)
	return text
}

// A journal cut off anywhere, as a power cut leaves it on a bad file system, is
// told in one line and never taken for a shorter one.
func TestJournalCutOff(t *testing.T) {
	text := journalText(t)
	whole, err := parse(text)
	require.NoError(t, err)
	require.Equal(t, 3, whole.Done)
	for n := range len(text) {
		for _, tail := range []string{"", strings.Repeat("\x00", 50)} {
			_, err := parse(append(text[:n:n], tail...))
			require.Error(t, err, "cut off after %d bytes", n)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 300)
		}
	}
}

func TestJournalErrors(t *testing.T) {
	change := func(old, new string) string {
		text := string(journalText(t))
		require.Contains(t, text, old)
		return strings.Replace(text, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "it is empty"},
		{"zeroes", "\x00\x00\x00", "it is empty"},
		{"noise", "\x01\xff{", "it is damaged at byte 1"},
		{"a number", "7", "it is damaged: all of it is a number"},
		{"a list", "[]", "it is damaged: all of it is a array"},
		{"newer", change(`"version": 2`, `"version": 3`),
			"a newer kubeadm-arm wrote it: version 3, this program reads version 2"},
		{"older", change(`"version": 2`, `"version": 1`), "version 1, this program reads version 2"},
		{"words for a number", change(`"done": 3`, `"done": "three"`), "it is damaged: its done is a string"},
		{"too many done", change(`"done": 3`, `"done": 300`), "300 steps done of 14"},
		{"fewer than none", change(`"done": 3`, `"done": -1`), "-1 steps done of 14"},
		{"no steps", `{"version": 2, "plan": {"steps": []}}`, "it has no steps"},
		{"a path for a component", change(`"component": "kube-apiserver"`, `"component": "../../../etc/shadow"`),
			`it names an unknown component "../../../etc/shadow"`},
		{"an unknown step", change(`"kind": "stageManifests"`, `"kind": "explode"`), `it is damaged: `},
		{"large", strings.Repeat(" ", maxJournal+1), "it is larger than 4194304 bytes"},
		{"two", string(journalText(t)) + "{}", "it is damaged at byte "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func FuzzParseJournal(f *testing.F) {
	text := journalText(f)
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte(`{"version":2,"plan":{"steps":[{"kind":"runPhases","step":{}}]}}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parse(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") || len(err.Error()) > 400 {
				t.Fatalf("not one clear line: %q", err)
			}
			return
		}
		_ = j.Progress()
		_, _ = j.Resumable(state.Layout{Root: "/no/such/root"})
		again, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Fatalf("what was read is not read again: %v", err)
		}
	})
}

// Without a configuration written here a secret flag is nowhere but with its owner,
// and of a flag that we do not know nobody can tell whether it is one.
func TestResumeByHandNeedsSecrets(t *testing.T) {
	for _, c := range []struct {
		words   []string
		config  bool
		missing string
	}{
		{[]string{"--certificate-key=00"}, false, "--certificate-key"},
		{[]string{"--token", "abcdef.0123456789abcdef", "--certificate-key=00"}, false, "--token, --certificate-key"},
		{[]string{"--from-the-future=x"}, true, "--from-the-future"},
	} {
		args, err := kubeadm.Init.Parse(c.words)
		require.NoError(t, err)
		j := Journal{Plan: slowPlan(t)}
		if !c.config {
			j.Plan.Config = nil
		}
		j.Args, j.Omitted = KeepArgs(kubeadm.Init, args)
		l := state.Layout{Root: t.TempDir()}
		require.NoError(t, os.MkdirAll(l.State(), 0o700))
		require.NoError(t, os.WriteFile(l.ConfigCopy(), nil, 0o600))
		_, err = j.Resumable(l)
		require.ErrorContains(t, err, "the interrupted init had "+c.missing+", whose value is not kept in any file")
	}
}

func TestJournalIsNoRegularFile(t *testing.T) {
	_, err := Read(t.TempDir())
	require.ErrorContains(t, err, "it is not a regular file")
}
