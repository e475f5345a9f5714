package bootstrap

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// skippedBySecondTry runs a tail of three phases whose first kubeadm ends with
// these words, and returns what the second one is told to skip.
func skippedBySecondTry(t *testing.T, words string, flags ...string) []string {
	b := newFakeBoard(t)
	o := b.options(flags...)
	o.Plan.Steps[len(o.Plan.Steps)-1] = plan.RunPhases{Name: "tail", What: "tail", Keep: []string{"upload-config",
		"upload-certs", "mark-control-plane", "bootstrap-token", "addon", "show-join-command"}, Attempts: 2}
	var tails [][]string
	o.Runner = func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		args, err := kubeadm.Init.Parse(c.Args[1:])
		require.NoError(t, err)
		skip := args.List("skip-phases")
		if strings.Contains(strings.Join(skip, ","), "kubelet-start") && strings.Contains(strings.Join(skip, ","),
			"preflight") {
			if tails = append(tails, skip); len(tails) == 1 {
				return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: words,
					Err: errors.New("exit status 1")}
			}
		}
		return b.kubeadm(ctx, c)
	}
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	require.Len(t, tails, 2)
	assert.NotContains(t, tails[0], "upload-config")
	return tails[1]
}

func TestRetryFromFailedPhase(t *testing.T) {
	const lost = "[addons] Applied essential addon: CoreDNS\nerror execution phase addon/kube-proxy: client rate " +
		"limiter Wait returned an error\nTo see the stack trace of this error execute with --v=5 or higher\n"
	for name, c := range map[string]struct {
		words   string
		flags   []string
		skipped bool
	}{
		"where it failed":        {words: lost, skipped: true},
		"kubeadm from v1.31 on":  {words: "error: error execution phase addon: timed out\n", skipped: true},
		"no phase is named":      {words: "Killed\n"},
		"one that was not kept":  {words: "error execution phase certs/ca: no\n"},
		"the first one":          {words: "error execution phase upload-config/kubeadm: no\n"},
		"words amid other words": {words: "I saw an error execution phase addon: in a dream\n"},
		"the key must be shown":  {words: lost, flags: []string{"--upload-certs"}},
		"no key is made":         {words: lost, flags: []string{"--upload-certs=false"}, skipped: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := skippedBySecondTry(t, c.words, c.flags...)
			assert.NotContains(t, again, "addon")
			// Seen with v1.37.2: without these two before it, kubeadm refuses to run it
			// ("unresolved dependencies"), and four more attempts failed at once.
			for _, phase := range []string{"bootstrap-token", "upload-certs", "show-join-command"} {
				assert.NotContains(t, again, phase)
			}
			if c.skipped {
				assert.Subset(t, again, []string{"upload-config", "mark-control-plane"})
			} else {
				assert.NotContains(t, again, "upload-config")
			}
		})
	}
}
