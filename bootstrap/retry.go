package bootstrap

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// failedPhase finds the phase that a kubeadm gave up in
// (cmd/kubeadm/app/cmd/phases/workflow/runner.go).
var failedPhase = regexp.MustCompile(`(?m)^(?:error: )?error execution phase ([a-z/-]+): `)

// fromFailedPhase returns the step that continues where a failed kubeadm stopped: with the
// phase that failed and those after it. Where a request is lost now and then, going
// through all of them again can fail for ever. A certificate key lives only in the
// process that made it, so with uploaded certificates all of it is done again.
func (r *run) fromFailedPhase(s plan.RunPhases, failure error) plan.RunPhases {
	var c *kubeadm.CommandError
	if !errors.As(failure, &c) || r.uploadsCerts() {
		return s
	}
	m := failedPhase.FindStringSubmatch(c.Tail)
	if m == nil {
		return s
	}
	phase, _, _ := strings.Cut(m[1], "/")
	if at := slices.Index(s.Keep, phase); at > 0 {
		s.Keep = append(joinNeeds(s.Keep[:at], s.Keep[at:]), s.Keep[at:]...)
	}
	return s
}

// joinNeeds are the phases without which kubeadm does not print its closing words
// ("unresolved dependencies"; phases/init/showjoincommand.go). The token is pinned,
// and without --upload-certs no certificate is uploaded.
func joinNeeds(done, rest []string) []string {
	if !slices.Contains(rest, "show-join-command") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(done), func(phase string) bool { return phase != "bootstrap-token" && phase != "upload-certs" })
}

// uploadsCerts tells whether kubeadm makes a certificate key and shows it at the
// end: --upload-certs, or the flag's older name.
func (r *run) uploadsCerts() bool {
	for _, name := range []string{"upload-certs", "experimental-upload-certs"} {
		if r.Args.Bool(name) {
			return true
		}
	}
	return false
}
