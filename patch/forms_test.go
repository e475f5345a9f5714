package patch

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const small = `apiVersion: v1
kind: Pod
metadata:
  name: etcd
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    livenessProbe:
      # the owner's remark
      httpGet: {path: /health, port: 2381}
      timeoutSeconds: 15 # enough
    name: etcd
`

// with changes a manifest, and proves that there was something to change.
func with(t testing.TB, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		require.Contains(t, text, oldnew[i])
		text = strings.Replace(text, oldnew[i], oldnew[i+1], 1)
	}
	return text
}

// TestForms runs the same changes over every way to write the same pod, and
// compares the whole text.
func TestForms(t *testing.T) {
	s := Settings{
		Liveness: &Probe{Period: 20, Timeout: 40, Reason: "slow"},
		Flags:    []Flag{{Name: "heartbeat-interval", Value: "200", Policy: AtLeast}},
		Env:      []Env{{Name: "GOGC", Value: "200"}},
	}
	want := with(t, small,
		"timeoutSeconds: 15", "timeoutSeconds: 40",
		"      timeoutSeconds", "      periodSeconds: 20\n      timeoutSeconds",
		"    - --data-dir", "    - --heartbeat-interval=200\n    - --data-dir",
		"    livenessProbe", "    env:\n    - name: GOGC\n      value: \"200\"\n    livenessProbe",
	)
	for name, form := range map[string]func(string) string{
		"plain":             func(s string) string { return s },
		"CRLF":              func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"byte order mark":   func(s string) string { return "\ufeff" + s },
		"no newline at end": func(s string) string { return strings.TrimRight(s, "\n") },
		"document marks":    func(s string) string { return "---\n" + s + "...\n" },
		"empty document":    func(s string) string { return s + "---\n" },
		"directive":         func(s string) string { return "%YAML 1.1\n---\n" + s },
		"deeper": func(s string) string {
			return "# x\n  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
		},
		"comments": func(s string) string {
			return "# a\n" + strings.NewReplacer("    name: etcd", "    # é\n    name: etcd # c", "    - etcd\n",
				"    - etcd # \"\n      #\n").Replace(s)
		},
		"a comment that stays with its key": func(s string) string {
			return strings.NewReplacer("      timeoutSeconds", "      # why\n      # so long\n      timeoutSeconds").Replace(s)
		},
		"unknown fields":    func(s string) string { return s + "future: {a: [1, 0x2, ~], b: !x y}\n" },
		"one megabyte":      func(s string) string { return s + "# " + strings.Repeat("x", 1<<20) + "\n" },
		"megabyte of lines": func(s string) string { return strings.Repeat("# x\n", 1<<18) + s },
		"tabs in a comment": func(s string) string { return s + "#\tx\n" },
		"tab after a value": func(s string) string { return strings.Replace(s, " # enough", "\t# enough", 1) },
		"quotes":            func(s string) string { return strings.Replace(s, "name: etcd\n", "\"name\": 'etcd'\n", 2) },
		"text of many lines": func(s string) string {
			return strings.Replace(s, "    name: etcd\n", "    image: \"a\n\n      b\"\n    name: etcd\n", 1)
		},
		"CR, NEL and line separators in text": func(s string) string {
			return "# \u2028# \u2029# \u0085# \r" + s
		},
		"anchor elsewhere": func(s string) string {
			return s + "status: {a: &x [1], b: *x}\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			after, changes, err := Apply([]byte(form(small)), s)
			require.NoError(t, err)
			assert.Len(t, changes, 4)
			if name == "a comment that stays with its key" {
				// The new key comes before the comment.
				want := with(t, want, "periodSeconds: 20\n", "periodSeconds: 20\n      # why\n      # so long\n")
				assert.Equal(t, want, string(after))
				return
			}
			assert.Equal(t, form(want), string(after))
			again, _, err := Apply(after, s)
			require.NoError(t, err)
			assert.Equal(t, string(after), string(again))
		})
	}
}

func TestTextThatLooksLikeAComment(t *testing.T) {
	for _, value := range []string{"|\n        a\n        # no comment\n", ">-\n       a\n       # no comment\n",
		"\"a\n       # no comment\"\n"} {
		text := with(t, small, "    livenessProbe", "    args: "+value+"    livenessProbe", "    livenessProbe",
			"    # a comment\n    livenessProbe")
		// args is no list here, which is no matter to this package.
		after, _, err := Apply([]byte(text), Settings{Env: []Env{{Name: "A", Value: "b"}}})
		require.NoError(t, err)
		assert.Equal(t, with(t, text, "    # a comment", "    env:\n    - name: A\n      value: \"b\"\n    # a comment"),
			string(after))
	}
}

// TestKeysAtTheEnd adds keys that sort after all that are there.
func TestKeysAtTheEnd(t *testing.T) {
	s := Settings{Liveness: &Probe{Period: 20, Timeout: 40, Reason: "slow"}}
	const probe = "      # the owner's remark\n      httpGet: {path: /health, port: 2381}\n      timeoutSeconds: 15 # " +
		"enough\n"
	for before, after := range map[string]string{
		"      initialDelaySeconds: 5 # x\n": "      initialDelaySeconds: 5 # x\n      periodSeconds: " +
			"20\n      timeoutSeconds: 40\n",
		"      exec: {command: [a]}\n": "      periodSeconds: 20\n      timeoutSeconds: 40\n      " +
			"exec: {command: [a]}\n",
		"      exec:\n        command:\n        - a\n": "      periodSeconds: 20\n      timeoutSeconds: 40\n      " +
			"exec:\n        command:\n        - a\n",
		"      exec: {command: [a]}\n      periodSeconds: 3\n": "      exec: {command: [a]}\n      periodSeconds: 20\n    " +
			"  timeoutSeconds: 40\n",
	} {
		out, _ := requireLaws(t, []byte(with(t, small, probe, before)), s)
		assert.Equal(t, with(t, small, probe, after), string(out))
	}
	// The very last line, without a line break.
	text := strings.TrimRight(with(t, small, "    name: etcd\n", "", "  - command", "  - name: etcd\n    command",
		" # enough", ""), "\n")
	text = strings.Replace(text, "timeoutSeconds: 15", "periodSeconds: 3", 1)
	out, _ := requireLaws(t, []byte(text), s)
	assert.True(t, strings.HasSuffix(string(out), "\n      periodSeconds: 20\n      timeoutSeconds: 40"), string(out))
}

func TestFirstKeyBehindTheDash(t *testing.T) {
	text := with(t, small, "  - command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n    liv", "  -   liv",
		"    name: etcd", "      name: etcd",
		"      httpGet", "        httpGet", "      # the", "        # the", "      timeout", "        timeout")
	out, _ := requireLaws(t, []byte(text), Settings{Env: []Env{{Name: "A", Value: "b"}}})
	assert.Equal(t, with(t, text, "  -   liv", "  -   env:\n      - name: A\n        value: \"b\"\n      liv"),
		string(out))
}

func TestFlowStyle(t *testing.T) {
	text := `{apiVersion: v1, kind: Pod, metadata: {name: etcd}, spec: {containers: [
  {name: etcd, command: [etcd, --data-dir=/x], livenessProbe: {httpGet: {port: 1}, timeoutSeconds: 5}}]}} # end
`
	out, _ := requireLaws(t, []byte(text), Settings{
		Liveness: &Probe{InitialDelay: 7, Timeout: 9}, Flags: []Flag{{Name: "a", Value: "b",
			Policy: Set}}, Env: []Env{{Name: "A", Value: "b"}},
	})
	assert.Equal(t, with(t, text, "timeoutSeconds: 5", "initialDelaySeconds: 7, timeoutSeconds: 9", "--data-dir",
		"\"--a=b\", --data-dir",
		"{name: etcd, c", "{env: [{\"name\": \"A\", \"value\": \"b\"}], name: etcd, c"), string(out))
}

// TestAddedBeforeWhatChanges: both edits begin at the same byte.
func TestAddedBeforeWhatChanges(t *testing.T) {
	text := with(t, small, "  - command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n", "  - command: [etcd, --v=1]\n")
	out, _ := requireLaws(t, []byte(text), Settings{Flags: []Flag{{Name: "v", Value: "2", Policy: Set},
		{Name: "b", Value: "1", Policy: Set}, {Name: "a", Value: "1", Policy: Set}}})
	assert.Equal(t, with(t, text, "--v=1", "\"--a=1\", \"--b=1\", --v=2"), string(out))
}

func TestJSON(t *testing.T) {
	s := everything()
	for _, path := range []string{"v1.13.1/article/kube-apiserver", "v1.37.2/rich/etcd", "v1.37.2/plain/kube-scheduler"} {
		pod := decodePod(t, read(t, "../testdata/manifests/"+path+".yaml"))
		for _, indent := range []string{"", "  ", "\t"} {
			text, err := json.Marshal(pod)
			require.NoError(t, err)
			if indent != "" {
				text, err = json.MarshalIndent(pod, "", indent)
				require.NoError(t, err)
			}
			out, _ := requireLaws(t, text, s)
			require.True(t, json.Valid(out), string(out))
			if indent == "" {
				assert.NotContains(t, string(out), "\n")
				continue
			}
			// What json would make of it anew is the same text: each addition
			// is on a line of its own, at the right depth.
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, out, "", indent))
			assert.Equal(t, lines(pretty.String()), lines(string(out)))
		}
	}
}

// lines drops what has no choice of lines here: objects in env.
func lines(s string) string {
	before, rest, _ := strings.Cut(s, `"env"`)
	_, after, _ := strings.Cut(rest, `"image"`)
	return before + after
}

// TestStringsStayStrings makes sure that no value turns into a number, a switch
// or nothing by losing its quotes.
func TestStringsStayStrings(t *testing.T) {
	for _, v := range []string{"", "10", "1.5", "0x10", "010", "1_0", "1e3", "1:30", "True", "No", "y", "~", "null",
		"a: b", "a #b", "'", "\"", "\\", "- a", "*a", "&a", "!a", "%a", "@a", "{", "[",
		"é", "\u2028", "\n", "\t", ".inf", "=", "<<", "2001-01-01", "a:"} {
		text := with(t, small, "    - --data-dir=/var/lib/etcd\n",
			"    - --name\n    - abc\n    - '--it''s=x'\n    - \"--quoted=x\"\n    - --bare=x\n")
		out, _, err := Apply([]byte(text), Settings{
			Flags: []Flag{{Name: "name", Value: v, Policy: Set}, {Name: "it's", Value: v, Policy: Set},
				{Name: "quoted", Value: v, Policy: Set}, {Name: "bare", Value: v, Policy: Set}, {Name: "absent", Value: v,
					Policy: Set}},
			Env: []Env{{Name: "A", Value: v}, {Name: "Y", Value: v}},
		})
		require.NoError(t, err, v)
		c := decodePod(t, out).Spec.Containers[0]
		assert.Equal(t, []string{"etcd", "--absent=" + v, "--name", v, "--it's=" + v, "--quoted=" + v, "--bare=" + v},
			sortedAbsent(c.Command), v)
		assert.Equal(t, v, c.Env[0].Value)
		assert.Equal(t, "Y", c.Env[1].Name)
	}
}

// sortedAbsent moves the added flag to the second place, wherever it went.
func sortedAbsent(command []string) []string {
	out := []string{command[0], ""}
	for _, w := range command[1:] {
		if strings.HasPrefix(w, "--absent=") {
			out[1] = w
			continue
		}
		out = append(out, w)
	}
	return out
}

func TestZeroMeansTheDefault(t *testing.T) {
	text := with(t, small, "timeoutSeconds: 15 # enough",
		"failureThreshold: 0\n      periodSeconds: 0\n      timeoutSeconds: 0")
	out, changes := requireLaws(t, []byte(text), Settings{Liveness: &Probe{FailureThreshold: 3, Period: 10, Timeout: 1}})
	assert.Empty(t, changes)
	assert.Equal(t, text, string(out))
	_, changes = requireLaws(t, []byte(text), Settings{Liveness: &Probe{FailureThreshold: 4, Period: 11, Timeout: 2}})
	assert.Len(t, changes, 3)
}

func TestEscapes(t *testing.T) {
	text := with(t, small, "    - --data-dir=/var/lib/etcd\n", `    - "--a=\"x\u0079\\" # "
    - '--b=''x' # '
`)
	s := Settings{Flags: []Flag{{Name: "a", Value: `1"`, Policy: Set}, {Name: "b", Value: "2'", Policy: Set}}}
	out, changes := requireLaws(t, []byte(text), s)
	assert.Equal(t, `"xy\`, changes[0].Old)
	assert.Equal(t, with(t, text, `"--a=\"x\u0079\\"`, `"--a=1\""`, `'--b=''x'`, `'--b=2'''`), string(out))
}
