package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const helpOfAll = `kubeadm-arm is a drop-in.

  kubeadm-arm init [flags of kubeadm init]   bring a control plane up
  kubeadm-arm reset [flags of kubeadm reset] kubeadm reset, and more
  kubeadm-arm detect                         what the board is
  kubeadm-arm storage plan|apply|status|undo put etcd's data elsewhere
  kubeadm-arm report show FILE               a saved report
  kubeadm-arm report compare A B             reports side by side

Every other command is passed on to the real kubeadm unchanged.
`

const helpOfDetect = `Usage of kubeadm-arm detect:
  -o, --output string   text, json or yaml (default "text")
      --root string     read the board's files below this folder (default "/")
      --diff[=true|false]   show what would change
      --budget duration
      --profile NAME    responsive, balanced (default) or frugal: how light (KUBEADM_ARM_PROFILE)
`

func TestParseCommands(t *testing.T) {
	got := parseCommands(helpOfAll)
	require.Len(t, got, 5)
	assert.Equal(t, command{Name: "init", Calls: []string{"init [flags of kubeadm init]"},
		About: []string{"bring a control plane up"}, Summary: "bring a control plane up", Kubeadm: true}, got[0])
	assert.Equal(t, "reset [flags of kubeadm reset]", got[1].Calls[0])
	assert.Equal(t, "kubeadm reset, and more", got[1].Summary)
	assert.Equal(t, []string{"report show FILE", "report compare A B"}, got[4].Calls)
	assert.Equal(t, []string{"show", "compare"}, got[4].Words())
	assert.True(t, got[4].Files())
	assert.False(t, got[2].Files())
	assert.Empty(t, got[2].Words())
	assert.Equal(t, "put etcd's data elsewhere", got[3].Summary, "one blank before the column")
	assert.Equal(t, []string{"plan", "apply", "status", "undo"}, got[3].Words())
}

func TestParseFlags(t *testing.T) {
	got := parseFlags(helpOfDetect)
	require.Len(t, got, 4, "a flag without words is none: %v", got)
	assert.Equal(t, option{"o", "output", "string", `text, json or yaml (default "text")`}, got[0])
	assert.Equal(t, []string{"text", "json", "yaml"}, got[0].Choices())
	assert.True(t, got[1].IsFolder())
	assert.Nil(t, got[1].Choices())
	assert.Equal(t, option{"", "diff", "", "show what would change"}, got[2])
	assert.Equal(t, []string{"responsive", "balanced", "frugal"}, got[3].Choices())
}

func TestExitCodes(t *testing.T) {
	document, err := os.ReadFile("../../docs/exit-codes.md")
	require.NoError(t, err)
	codes, err := exitCodes(document)
	require.NoError(t, err)
	assert.Contains(t, codes, exitCode{"12", "no real kubeadm found, or what was found does not report its version"})
	_, err = exitCodes([]byte("nothing"))
	assert.ErrorContains(t, err, "no rows")
}

func TestPages(t *testing.T) {
	commands := parseCommands(helpOfAll)
	commands[2].Flags = parseFlags(helpOfDetect)
	make := func() map[string][]byte {
		prose := map[string]string{"detect": "Tells.\n\n    one\n\nThen two.\n\n# Examples\n    .detect \\n -o\n"}
		return pages(commands, []exitCode{{"12", "no `kubeadm`"}}, prose, "0.1.0-1", time.Unix(1700000000, 0).UTC())
	}
	files := make()
	assert.Len(t, files, 6)
	detect := string(files["kubeadm-arm-detect.1"])
	assert.Contains(t, detect, `.TH KUBEADM\-ARM\-DETECT 1 2023\-11\-14 "kubeadm\-arm 0.1.0\-1"`)
	assert.Contains(t, detect, ".SH EXAMPLES\n.PP\n.RS 4\n.EX\n\\&.detect \\(rsn \\-o\n.EE\n.RE\n",
		"roff keeps its hands off")
	assert.Contains(t, detect, "one\n.EE\n.RE\n.PP\nThen two.\n", "a paragraph of its own")
	assert.Contains(t, detect, `\fB\-o\fR, \fB\-\-output\fR \fIstring\fR`)
	assert.Contains(t, string(files["kubeadm-arm.1"]), "KUBEADM_ARM_PROFILE")
	assert.Contains(t, string(files["kubeadm-arm.1"]), ".B 12\nNo kubeadm.\n")
	assert.Contains(t, string(files["kubeadm-arm-report.1"]), ".TP\n.B report compare A B\nReports side by side.\n")
	assert.Equal(t, files, make(), "the same help gives the same pages")
}

// TestShellsReadTheCompletions has each shell that is here parse its own.
func TestShellsReadTheCompletions(t *testing.T) {
	commands := parseCommands(helpOfAll)
	commands[0].Flags, commands[2].Flags = parseFlags(helpOfDetect), parseFlags(helpOfDetect)
	for shell, text := range map[string][]byte{"bash": bashCompletion(commands), "zsh": zshCompletion(commands),
		"fish": fishCompletion(commands)} {
		assert.Contains(t, string(text), "detect", shell)
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("no %s here to read its completion", shell)
			continue
		}
		path := filepath.Join(t.TempDir(), "completion")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		out, err := exec.Command(shell, "-n", path).CombinedOutput()
		assert.NoError(t, err, "%s: %s", shell, out)
	}
}

func TestPackIsTheSameTwice(t *testing.T) {
	one, err := pack([]byte(strings.Repeat("text", 1000)))
	require.NoError(t, err)
	two, err := pack([]byte(strings.Repeat("text", 1000)))
	require.NoError(t, err)
	assert.Equal(t, one, two)
	r, err := gzip.NewReader(bytes.NewReader(one))
	require.NoError(t, err)
	assert.True(t, r.ModTime.IsZero())
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Len(t, text, 4000)
}

func TestDebianChangelog(t *testing.T) {
	assert.Equal(t, "kubeadm-arm (0.1.0-1) unstable; urgency=medium\n\n  * The release of this version; see "+
		"changelog.gz for what is new in it.\n\n"+
		" -- kubeadm-arm maintainers <kubeadm-arm@users.noreply.github.com>  Tue, 14 Nov 2023 22:13:20 "+
		"+0000\n", string(debianChangelog("0.1.0-1", time.Unix(1700000000, 0).UTC())))
	config, err := os.ReadFile("../../packaging/nfpm.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(config), "maintainer: "+maintainer+"\n")
}

// FuzzHelp: whatever a help text says, the pages hold no line that roff would
// take for a request of its own making, and nothing panics.
func FuzzHelp(f *testing.F) {
	f.Add(helpOfAll, helpOfDetect)
	f.Add("  kubeadm-arm x  .de evil", "  --a B  'x")
	f.Fuzz(func(t *testing.T, all, one string) {
		commands := parseCommands(all)
		for i := range commands {
			commands[i].Flags = parseFlags(one)
			for _, o := range commands[i].Flags {
				o.Choices()
			}
		}
		known := []string{".TH ", ".SH ", ".PP", ".TP", ".B", ".I", ".R", ".E", ".br"}
		for _, text := range pages(commands, nil, nil, "1", time.Unix(0, 0)) {
			for _, line := range strings.Split(string(text), "\n") {
				assert.False(t, strings.HasPrefix(line, "'"), line)
				if strings.HasPrefix(line, ".") {
					ok := false
					for _, k := range known {
						ok = ok || strings.HasPrefix(line, k)
					}
					assert.True(t, ok, line)
				}
			}
		}
		bashCompletion(commands)
		zshCompletion(commands)
		fishCompletion(commands)
	})
}
