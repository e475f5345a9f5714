package patch

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// FuzzApply throws any text at every kind of change: no panic, what is refused
// gives no text, what is not changed stays the same bytes, a second time changes
// nothing, and a Pod stays a Pod that differs in the listed fields only.
func FuzzApply(f *testing.F) {
	for _, text := range []string{
		small, strings.ReplaceAll(small, "\n", "\r\n"), "\ufeff" + small, small + "---\n" + small,
		with(f, small, "livenessProbe:", "livenessProbe: &p", "name: etcd", "annotations: *p\n  name: etcd"),
		with(f, small, "timeoutSeconds: 15", "<<: {timeoutSeconds: 15}"),
		with(f, small, "livenessProbe", "args: |\n      # a\n    livenessProbe"),
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"etcd"},"spec":{"containers":[{"name":"etcd","command":["etcd","--a=b"],"livenessProbe":{"timeoutSeconds":1}}]}}`,
	} {
		f.Add([]byte(text))
	}
	for _, name := range []string{"v1.13.1/rich/etcd", "v1.37.2/rich/kube-apiserver"} {
		f.Add(read(f, "../testdata/manifests/"+name+".yaml"))
	}
	f.Fuzz(func(t *testing.T, text []byte) { holds(t, text) })
}

// FuzzSplices puts a piece of text into a good manifest, which keeps more of
// them good than random bytes do.
func FuzzSplices(f *testing.F) {
	for i, piece := range pieces() {
		f.Add(uint8(i), uint16(97*i), uint8(i%3), piece)
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, remove uint8, insert string) {
		bases := bases(t)
		holds(t, splice(bases[int(which)%len(bases)], int(at), int(remove), insert))
	})
}

// TestSplices does the same by a fixed dice, several splices at a time.
func TestSplices(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	bases, pieces := bases(t), pieces()
	good := 0
	for range 5000 {
		text := bases[dice.IntN(len(bases))]
		for range 1 + dice.IntN(2) {
			text = splice(text, dice.IntN(1<<16), max(0, dice.IntN(6)-3), pieces[dice.IntN(len(pieces))])
		}
		if holds(t, text) {
			good++
		}
	}
	require.Greater(t, good, 300, "the test has to reach more than refusals")
}

func splice(text []byte, at, remove int, insert string) []byte {
	at %= len(text) + 1
	return slices.Concat(text[:at], []byte(insert), text[min(at+remove, len(text)):])
}

// pieces are what YAML has a meaning for.
func pieces() []string {
	return []string{
		" ", "  ", "\n", "\r\n", "\r", "\t", "\u0085", "\u2028", "\ufeff", "é", "#", " # x\n", "\n# x\n", "\n    # x\n", "\n      # x\n",
		"- ", "-", ":", ": ", "? ", ",", "[", "]", "{", "}", "[]", "{}", "'", "\"", "\\", "|\n", ">-\n", "&a ", "*a", "<<: ", "!!str ", "!x ", "~", "---\n", "...\n", "%YAML 1.1\n",
		"1", "0", "-", "x", "timeoutSeconds: 3\n", "periodSeconds: 3\n      ", "env: ", "env:\n    - name: a\n    ", "\n    - --v=1", "\n    - --v\n    - '2'", ", ", "--v=1, ", "startupProbe: {failureThreshold: 1}\n    ",
	}
}

// bases are good manifests in different styles.
func bases(t testing.TB) [][]byte {
	t.Helper()
	flow := `{apiVersion: v1, kind: Pod, metadata: {name: etcd}, spec: {containers: [
  {name: etcd, command: [etcd, --data-dir=/x], env: [{name: A, value: b}], livenessProbe: {exec: {command: [a]}, timeoutSeconds: 5}}]}} # end
`
	json := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"etcd"},"spec":{"containers":[
	{"name":"etcd","command":["etcd","--a=b"],"livenessProbe":{"exec":{"command":["a"]},
	"timeoutSeconds":1},"readinessProbe":{"periodSeconds":1}}]}}`
	rich := with(t, small, "    livenessProbe", "    env:\n    - name: A\n      value: |-\n        b\n        # c\n    "+
		"image: \"x\n      y\" # z\n    livenessProbe",
		"    name: etcd", "    readinessProbe:\n      periodSeconds: 1\n      exec:\n        command:\n        # a\n       "+
			" - b\n    name: etcd", "httpGet: {path: /health, port: 2381}", "httpGet:\n        port: 1")
	return [][]byte{[]byte(small), []byte(flow), []byte(json), []byte(rich),
		[]byte(strings.ReplaceAll(rich, "\n", "\r\n")), []byte(strings.TrimRight(rich, "\n"))}
}

// holds proves the invariants for a text, and reports whether it was taken as a Pod.
func holds(t testing.TB, text []byte) bool {
	given := bytes.Clone(text)
	s := everything()
	out, changes, err := Apply(text, s)
	require.Equal(t, given, text)
	if err != nil {
		require.Nil(t, out)
		require.Nil(t, changes)
		require.NotContains(t, err.Error(), "\n")
		return false
	}
	_, err = Inspect(text)
	require.NoError(t, err)
	again, rest, err := Apply(out, s)
	require.NoError(t, err)
	require.Equal(t, string(out), string(again))
	for _, c := range rest {
		require.True(t, c.Kept)
	}
	if len(changes) == 0 {
		require.Equal(t, given, out)
	}
	var pod corev1.Pod
	if yaml.UnmarshalStrict(text, &pod) != nil {
		return false
	}
	require.NoError(t, yaml.UnmarshalStrict(out, &pod), "%q became %q", text, out)
	if plainFlags(pod) {
		requireExactly(t, text, out, changes)
	}
	return true
}

// plainFlags reports whether the proof can tell flags apart: written once, with
// their values behind a =.
func plainFlags(pod corev1.Pod) bool {
	seen := map[string]bool{}
	for _, c := range pod.Spec.Containers {
		if seen[c.Name] {
			return false
		}
		seen[c.Name] = true
		words := map[string]bool{}
		for _, w := range append(append([]string{}, c.Command...), c.Args...) {
			name, _, ok := strings.Cut(w, "=")
			if strings.HasPrefix(w, "-") && (!ok || strings.Contains(name, "_") || !strings.HasPrefix(w, "--")) || words[name] {
				return false
			}
			words[name] = true
		}
		vars := map[string]bool{}
		for _, v := range c.Env {
			if vars[v.Name] || v.ValueFrom != nil {
				return false
			}
			vars[v.Name] = true
		}
	}
	return true
}
