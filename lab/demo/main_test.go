package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// Every wrong call is refused before a board is made: the lab here does not exist.
func TestWrongCalls(t *testing.T) {
	for args, want := range map[string]string{
		"nonsense":                                "see demo help",
		"compare --nonsense":                      "unknown flag: --nonsense",
		"compare more":                            "takes flags only",
		"compare --tools tea":                     `unknown tool "tea"`,
		"compare --time-dilation 2":               "--time-dilation is for --board",
		"compare --board x --time-dilation 0":     "at least 1",
		"idle --for soon":                         "invalid argument",
		"interrupt --tools stock":                 "for kubeadm-arm only",
		"power-cut --tools kubeadm-arm,recipe":    "for kubeadm-arm only",
		"stall --board amd64":                     "belong together",
		"stall --for 3s --at x":                   "stalls are for --board",
		"stall --board amd64 --for never --at x":  `--for "never"`,
		"document --document x.md":                "name the files",
		"document x.json":                         "and --document",
		"compare --cpu 5% --lab /nonexistent/lab": "",
	} {
		words := strings.Fields(args)
		code, err := demoMain(words)
		if want == "" {
			assert.Equal(t, exitFailed, code, args)
			assert.ErrorContains(t, err, "/nonexistent/lab", args)
			continue
		}
		assert.Equal(t, exitUsage, code, args)
		assert.ErrorContains(t, err, want, args)
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		code, err := demoMain([]string{c.name, "--help"})
		assert.Zero(t, code, c.name)
		require.NoError(t, err, c.name)
		assert.Contains(t, usage(), "demo "+c.name)
	}
}

func TestPlaces(t *testing.T) {
	m := machines{shares: []string{"5%", "10%"}, dilation: 1, pace: true}
	require.NoError(t, m.prepare(nil))
	assert.Equal(t, []place{{name: "5%"}, {name: "10%"}}, m.places)
	assert.Equal(t, []string{"--cpu", "10%", "--pace"}, m.flagsOfUp(m.places[1]))
	m = machines{kind: "amd64", speed: "bananapi/4", dilation: 1}
	require.NoError(t, m.prepare([]stall{{length: 5e9, places: []string{"x|y"}}}))
	assert.Equal(t, `amd64 bananapi/4, still for 5 s at "x"`, m.places[0].name)
	assert.Equal(t, []string{"--board", "amd64", "--time-dilation", "1", "--speed", "bananapi/4"},
		m.flagsOfUp(m.places[0]))
	d := &demo{settings: &settings{machines: m}, place: m.places[0]}
	assert.Equal(t, "an emulated "+m.places[0].name, d.describePlace())
}

func TestProgramsOfABoard(t *testing.T) {
	s := software{kubeadmArm: "arm", programs: []string{"more"}}
	all, err := parseTools("stock,kubeadm-arm")
	require.NoError(t, err)
	assert.Equal(t, []string{"more", "arm"}, s.programsFor(all[0]))
	s.deb = "x.deb"
	assert.Equal(t, []string{"more"}, s.programsFor(all[0]))
	assert.Equal(t, []string{"more", "x.deb"}, s.programsFor(all[1]))
}

// What earlier calls have kept is read again.
func TestResultsStayFlat(t *testing.T) {
	text, err := json.Marshal(good())
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(text, &keys))
	for _, key := range []string{"tool", "kubernetes", "cpu", "ok", "seconds", "readySeconds", "cpuSeconds",
		"cpuSecondsAtReady",
		"nodeReady", "restarts", "manifests", "left", "ownMB"} {
		assert.Contains(t, keys, key)
	}
	dir := t.TempDir()
	kept, document := filepath.Join(dir, "a.json"), filepath.Join(dir, "a.md")
	require.NoError(t, os.WriteFile(kept, []byte("["+string(text)+"]"), 0o644))
	code, err := demoMain([]string{"document", kept, "--document", document})
	require.NoError(t, err)
	assert.Zero(t, code)
	assert.FileExists(t, document)
	code, err = demoMain([]string{"document", kept, "--document", document, "--expect-memory", "1"})
	assert.Equal(t, exitFailed, code)
	assert.ErrorContains(t, err, "MB of memory")
}

// fakeLab stands for lab and a board on which kubeadm-arm goes on for as long as nothing
// disturbs it.
const fakeLab = `#!/bin/sh
dir=${0%/*}
case "$*" in
*" pkill "*) : > $dir/disturbed ;;
*" ls "*) echo a b c d ;;
reboot*) : > $dir/disturbed ;;
run*"sh -c"*)
	echo "wait for kube-apiserver: x"
	until test -e $dir/disturbed; do sleep 0.01; done
	exit 130 ;;
esac
`

func TestInterruptIsInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab")
	require.NoError(t, os.WriteFile(path, []byte(fakeLab), 0o755))
	d := &demo{settings: &settings{lab: drive.Lab(path)}, board: drive.Lab(path).Board("d"),
		log: drive.NewLog(os.Stderr)}
	tools, err := parseTools("kubeadm-arm")
	require.NoError(t, err)
	var r run
	require.NoError(t, interrupt(d, tools[0], &r))
	assert.Equal(t, 1, r.Interrupts)
	assert.FileExists(t, filepath.Join(filepath.Dir(path), "disturbed"))
}
