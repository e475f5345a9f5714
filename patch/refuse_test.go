package patch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRefusals(t *testing.T) {
	const probe = "livenessProbe:\n      # the owner's remark\n      httpGet: {path: /health, port: 2381}\n      " +
		"timeoutSeconds: 15 # enough"
	for name, x := range map[string]struct {
		text, why string
		line      int
	}{
		"empty":          {"", "empty", 0},
		"only a comment": {"# x\n", "empty", 0},
		"a list":         {"- a\n", "no mapping at the top", 1},
		"not YAML":       {"a: [b\n", "not YAML", 0},
		"a tab":          {with(t, small, "  containers:", "\tcontainers:"), "a tab stands in the indentation", 6},
		"a tab and CRLF": {strings.ReplaceAll(with(t, small, "  containers:", "\tcontainers:"), "\n", "\r\n"),
			"a tab stands in the indentation", 6},
		"a tab in a block": {with(t, small, "      timeoutSeconds", "    \ttimeoutSeconds"),
			"a tab stands in the indentation", 13},
		"tabs, but no fault": {"{\n\t\"a\": [b\n", "not YAML: did not find", 0},
		"no tab":             {"b: c\na: @b\n", "not YAML: found character", 2},
		"a Deployment":       {with(t, small, "kind: Pod", "kind: Deployment"), `kind is "Deployment"`, 1},
		"a list of Pods":     {"apiVersion: v1\nkind: PodList\nitems: []\n", `kind is "PodList"`, 1},
		"another version":    {with(t, small, "apiVersion: v1", "apiVersion: v2"), `apiVersion is "v2"`, 1},
		"no kind":            {with(t, small, "kind: Pod\n", ""), `kind is ""`, 1},
		"two documents":      {small + "---\n" + small, "more than one document", 16},
		"a third document":   {small + "---\n---\na: b\n", "more than one document", 17},
		"broken second":      {small + "---\na: [b\n", "not YAML", 0},
		"no containers":      {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec: {}\n", "no containers", 1},
		"empty containers": {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec: {containers: []}\n",
			"no containers", 1},
		"another pod":       {strings.ReplaceAll(small, "name: etcd", "name: nginx"), "not a control-plane component", 1},
		"another container": {with(t, small, "    name: etcd", "    name: nginx"), "no container called etcd", 7},
		"a doubled key":     {small + "kind: Pod\n", "occurs twice", 15},
		"not UTF-8":         {small + "# \xff\n", "not UTF-8", 0},
		"too long":          {small + strings.Repeat("#\n", 5<<20), "larger than 10 MiB", 0},
		"a word for ten":    {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: ten"), "not a whole number", 13},
		"a quoted number":   {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: '15'"), "not a whole number", 13},
		"an octal number":   {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: 015"), "not a whole number", 13},
		"a huge number":     {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: 4294967297"), "not a whole number", 13},
		"a tagged number": {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: !!int 15"), "cannot be edited in place",
			13},
		"null":             {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: ~"), "null", 13},
		"a probe of words": {with(t, small, probe, "livenessProbe: none"), "not a mapping", 10},
		"an empty probe":   {with(t, small, probe, "livenessProbe: {}"), "empty mapping", 10},
		"anchored probe":   {with(t, small, "livenessProbe:", "livenessProbe: &p"), "comes from an anchor", 10},
		"anchored number":  {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: &t 15"), "comes from an anchor", 13},
		"an alias": {with(t, small, "timeoutSeconds: 15", "timeoutSeconds: *t", "  name: etcd",
			"  annotations: {t: &t 15}\n  name: etcd"), "comes from an anchor", 4},
		"a merge key": {with(t, small, "timeoutSeconds: 15", "<<: {timeoutSeconds: 15}", "  name: etcd",
			"  annotations: {t: &t {timeoutSeconds: 15}}\n  name: etcd", "<<: {timeoutSeconds: 15}", "<<: *t"), "comes from " +
			"an anchor", 4},
		"anchored container": {with(t, small, "  - command", "  - &c\n    command"), "comes from an anchor", 0},
		"a circle": {with(t, small, "    name: etcd\n", "    name: etcd\n    x: &x\n      <<: *x\n",
			"livenessProbe:", "livenessProbe: *x\n    y:"), "", 0},
		"no flags": {with(t, small, "    - --data-dir=/var/lib/etcd\n", ""), "no command with flags", 7},
		"a shell": {with(t, small, "    - etcd\n    - --data-dir=/var/lib/etcd\n",
			"    - sh\n    - -c\n    - etcd --data-dir=/x\n"), "no command with flags", 7},
		"empty env": {with(t, small, "    livenessProbe", "    env: []\n    livenessProbe"), "env has no items", 10},
		"a folded flag": {with(t, small, "    - --data-dir=/var/lib/etcd\n", "    - >-\n      --v=1\n"),
			"cannot be edited in place", 9},
		"items on one line": {with(t, small, "  - command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n",
			"  - command:\n    - etcd\n    - - --a\n    - ? --data-dir=/var/lib/etcd\n"), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			out, changes, err := Apply([]byte(x.text), everything())
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Contains(t, err.Error(), x.why)
			if x.line > 0 {
				assert.Equal(t, x.line, refused.Line)
			}
			assert.NotEmpty(t, refused.Hint())
			assert.NotContains(t, err.Error(), "\n")
			assert.Nil(t, out)
			assert.Nil(t, changes)
		})
	}
}

// TestAnchorsThatAreNotTouched are no reason to refuse.
func TestAnchorsThatAreNotTouched(t *testing.T) {
	text := with(t, small, "  name: etcd", "  annotations: &a {x: y}\n  labels: *a\n  name: etcd", "httpGet: {",
		"httpGet: &get {", "timeoutSeconds: 15", "timeoutSeconds: 15\n      <<: {}")
	out, _ := requireLaws(t, []byte(text), Settings{Liveness: &Probe{Timeout: 20}})
	assert.Equal(t, with(t, text, "timeoutSeconds: 15", "timeoutSeconds: 20"), string(out))
	// A value that comes by alias and is enough needs no change either.
	text = with(t, small, "timeoutSeconds: 15", "timeoutSeconds: *t", "  name: etcd",
		"  annotations: {t: &t 15}\n  name: etcd")
	_, changes := requireLaws(t, []byte(text), Settings{Liveness: &Probe{Timeout: 15}})
	assert.Empty(t, changes)
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, s := range []Settings{
		{Startup: &Probe{Period: -1}},
		{Liveness: &Probe{Timeout: 1 << 31}},
		{Flags: []Flag{{Name: "a", Value: "b"}}},
		{Flags: []Flag{{Value: "b", Policy: Set}}},
		{Flags: []Flag{{Name: "a", Policy: Set}, {Name: "a", Policy: IfAbsent}}},
		{Env: []Env{{Value: "b"}}},
		{Env: []Env{{Name: "A"}, {Name: "A"}}},
	} {
		_, _, err := Apply([]byte(small), s)
		require.ErrorContains(t, err, "settings")
	}
}
