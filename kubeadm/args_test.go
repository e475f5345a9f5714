package kubeadm

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseInitArgs(t *testing.T) {
	args := []string{"--config", "/etc/k.yaml", "--skip-phases=addon/kube-proxy,mark-control-plane", "-v5",
		"--upload-certs",
		"--ignore-preflight-errors", "NumCPU,Mem", "--ignore-preflight-errors=Swap",
		"--new-flag", "x", "--other-new=y", "--dry-run=false"}
	a, err := Init.Parse(args)
	require.NoError(t, err)
	config, ok := a.Get("config")
	assert.True(t, ok)
	assert.Equal(t, "/etc/k.yaml", config)
	assert.Equal(t, []string{"addon/kube-proxy", "mark-control-plane"}, a.List("skip-phases"))
	assert.Equal(t, []string{"NumCPU", "Mem", "Swap"}, a.List("ignore-preflight-errors"))
	assert.True(t, a.Bool("upload-certs"))
	assert.False(t, a.Bool("dry-run"))
	v, _ := a.Get("v")
	assert.Equal(t, "5", v)
	assert.Empty(t, a.Words)
	assert.Equal(t, args, a.Without(), "nothing is lost, nothing reordered")
	assert.Equal(t, []string{"--config", "/etc/k.yaml", "-v5", "--upload-certs", "--new-flag", "x", "--other-new=y",
		"--dry-run=false"},
		a.Without("skip-phases", "ignore-preflight-errors"))
}

func TestAFlagWithoutItsValueIsAnError(t *testing.T) {
	_, err := Init.Parse([]string{"--config"})
	assert.ErrorContains(t, err, "--config needs a value")
	_, err = Init.Parse([]string{"--dry-run", "-v"})
	assert.ErrorContains(t, err, "flag -v needs a value")
}

// TestSwitches has kubeadm's switches in every form that pflag reads, and those that
// it does not.
func TestSwitches(t *testing.T) {
	for form, on := range map[string]bool{
		"--dry-run": true, "--dry-run=true": true, "--dry-run=1": true, "--dry-run=t": true, "--dry-run=T": true, "--dry-run=TRUE": true, "--dry-run=True": true,
		"--dry-run=0": false, "--dry-run=f": false, "--dry-run=F": false, "--dry-run=FALSE": false, "--dry-run=False": false, "--dry-run=false": false,
	} {
		a, err := Init.Parse([]string{form})
		require.NoError(t, err, form)
		assert.Equal(t, on, a.Bool("dry-run"), form)
	}
	for form, on := range map[string]bool{"-h": true, "-h=true": true, "-h=1": true, "-h=0": false, "-hv5": true,
		"-hv=5": true, "--help": true, "--help=T": true} {
		a, err := Init.Parse([]string{form})
		require.NoError(t, err, form)
		assert.Equal(t, on, a.Bool("help"), form)
	}
	for _, form := range []string{"--dry-run=", "--dry-run=yes", "--dry-run=2", "--dry-run=tRUE", "-h=", "-h=maybe",
		"--help=on", "--", "--=x", "---dry-run"} {
		a, err := Init.Parse([]string{form})
		assert.True(t, err != nil || form == "--", form)
		assert.False(t, err == nil && (a.Bool("dry-run") || a.Bool("help")), form)
	}
	a, err := Init.Parse([]string{"--dry-run", "false"})
	require.NoError(t, err)
	assert.True(t, a.Bool("dry-run"), "a switch takes no word")
	assert.Equal(t, []string{"false"}, a.Words)
	a, err = Init.Parse([]string{"--config", "--dry-run", "--", "--dry-run"})
	require.NoError(t, err)
	assert.False(t, a.Bool("dry-run"), "a flag with a value takes any word")
	assert.Equal(t, []string{"--dry-run"}, a.Words)
	assert.Equal(t, 3, a.FirstWord)
	a, err = Init.Parse([]string{"--dry-run", "--dry-run=0"})
	require.NoError(t, err)
	assert.False(t, a.Bool("dry-run"), "the last one counts")
	for _, abbreviated := range []string{"--dry", "--dry_run", "-dry-run", "--Dry-Run"} {
		a, err := Init.Parse([]string{abbreviated})
		require.NoError(t, err)
		assert.False(t, a.Bool("dry-run"), "%s: pflag knows no abbreviations", abbreviated)
	}
}

func TestWordsOfAPhaseCommand(t *testing.T) {
	a, err := Init.Parse([]string{"phase", "certs", "all", "--config=x"})
	require.NoError(t, err)
	assert.Equal(t, []string{"phase", "certs", "all"}, a.Words)
}

// FuzzParseInitArgs compares with pflag itself, flag by flag, wherever it takes the
// command line, and looks that nothing is lost.
func FuzzParseInitArgs(f *testing.F) {
	for _, seed := range [][4]string{
		{"--config", "x", "-v", "5"}, {"--", "-", "--=", "--x="}, {"--dry-run=1", "-h=0", "false", "-hv5"},
		{"-h=", "--help=T", "--config", "--dry-run"}, {"-kv5", "-h", "--token=", "-"}, {"-hh", "-v", "--", "x"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		args := []string{a, b, c, d}
		got, err := Init.Parse(args)
		if err == nil && len(got.Words) == 0 && !slices.ContainsFunc(args, func(w string) bool {
			return w == "--" ||
				joined.MatchString(w)
		}) {
			require.Equal(t, args, got.Without())
		}
		if len(got.Words) > 0 {
			require.Equal(t, got.Words[0], args[got.FirstWord])
		}
		var want []string
		set := pflag.NewFlagSet("init", pflag.ContinueOnError)
		for _, s := range InitFlags() {
			if s.Switch {
				set.BoolP(s.Name, short(s), false, "")
			} else {
				set.StringP(s.Name, short(s), "", "")
			}
		}
		theirs := set.ParseAll(args, func(f *pflag.Flag, value string) error {
			want = append(want, f.Name+"="+value)
			return set.Set(f.Name, value)
		})
		if theirs != nil {
			if unknown := new(pflag.NotExistError); !errors.As(theirs, &unknown) {
				require.Error(t, err, "pflag: %v", theirs)
			}
			return
		}
		require.NoError(t, err)
		var have []string
		for _, f := range got.Flags {
			have = append(have, f.Name+"="+f.Value)
		}
		require.Equal(t, want, have)
		require.Equal(t, set.Args(), append([]string{}, got.Words...))
	})
}

// joined are letters that may be given in one word and are taken apart.
var joined = regexp.MustCompile(`^-[^-].`)

func short(s FlagSpec) string {
	if s.Short == 0 {
		return ""
	}
	return string(s.Short)
}
