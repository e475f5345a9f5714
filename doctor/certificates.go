package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// certificateNotice is how long before its end a certificate is named. The
// kubelet renews its own when 70 to 90 % of its life are over (client-go,
// certificate_manager.go), which of a year leaves 36 days at least: one that has
// less does not renew itself.
const certificateNotice = 30 * 24 * time.Hour

// brokenCertificates names files that hold no certificate: kubeadm and the components
// stop at such a file, and make no new one in its place.
func brokenCertificates(f Facts) []Finding {
	none := f.Host.Clock.NoCertificates
	if len(none) == 0 || f.Resuming {
		return nil
	}
	var quoted []string
	for _, path := range none {
		quoted = append(quoted, shell.Quote(f.path(path)))
	}
	return one(Finding{
		ID: "broken-certificates", Severity: Fail, Rule: KubeadmRule,
		Seen:  "no certificate can be read in: " + strings.Join(none, ", "),
		Means: "kubeadm and the control plane stop at such a file; a power cut leaves files empty or cut off",
		Fix: []string{
			"ls -l " + strings.Join(quoted, " "),
			"# put them back from a backup. Without one, move each away with its key; a CA cannot be made anew, others can:",
			"kubeadm-arm init phase certs --help; kubeadm-arm init phase kubeconfig --help",
		},
	})
}

// certificates looks at the ends of all certificates of a cluster. What renews
// one depends on whose it is: kubeadm's own, the kubelet's, or a CA.
func certificates(f Facts) []Finding {
	now := f.Host.Clock.Now
	if now.IsZero() || len(f.Host.Clock.Certificates) == 0 || f.Resuming {
		return nil
	}
	groups := []struct {
		id   string
		is   func(host.Certificate) bool
		tell func(*Finding)
	}{
		{"certificates", func(c host.Certificate) bool { return !c.CA && !c.Kubelet }, f.renewCertificates},
		{"kubelet-certificate", func(c host.Certificate) bool { return c.Kubelet }, f.renewKubelet},
		{"ca-certificates", func(c host.Certificate) bool { return c.CA }, renewCA},
	}
	var all []Finding
	for _, g := range groups {
		var ended, soon []string
		seen := 0
		for _, c := range f.Host.Clock.Certificates {
			day := c.Path + " (" + c.NotAfter.UTC().Format("2006-01-02") + ")"
			switch {
			case !g.is(c):
				continue
			case now.After(c.NotAfter):
				ended = append(ended, day)
			case now.Add(certificateNotice).After(c.NotAfter):
				soon = append(soon, day)
			}
			seen++
		}
		if seen == 0 {
			continue
		}
		found := Finding{ID: g.id, Severity: OK, Seen: fmt.Sprintf("%d are valid for 30 days and longer", seen)}
		switch {
		case len(ended) > 0:
			found.Severity, found.Seen = Fail, "expired: "+strings.Join(ended, ", ")
		case len(soon) > 0:
			found.Severity, found.Seen = Warning, "expire soon: "+strings.Join(soon, ", ")
		}
		if found.Severity != OK {
			found.Rule = OwnRule
			found.Seen += "; the clock says " + now.UTC().Format("2006-01-02")
			g.tell(&found)
		}
		all = append(all, found)
	}
	return all
}

// renewedTogether is what renews kubeadm's certificates and the kubelet's, and
// restarts what uses them.
const renewedTogether = "sudo kubeadm-arm certs renew    # the kubelet's, too; it restarts what uses them"

// renewCertificates is kubeadm's own renewal. The components read their files
// when they start.
func (f Facts) renewCertificates(found *Finding) {
	found.Means = "the control plane's parts refuse each other's and your own connections once these have expired"
	found.Fix = []string{renewedTogether, "sudo cp /etc/kubernetes/admin.conf ~/.kube/config && sudo chown $(id -u) " +
		"~/.kube/config"}
}

// renewKubelet is without the API server: kubeadm renews what it has made itself, and an
// expired certificate cannot ask the API server for the next one (kubernetes.io,
// Troubleshooting kubeadm, "Kubelet client certificate rotation fails").
func (f Facts) renewKubelet(found *Finding) {
	found.Rule = KubeletRule
	found.Means = "the API server does not let this kubelet in any more: the node becomes NotReady, and its pods " +
		"are not updated. kubeadm certs renew does not renew this one"
	if found.Severity == Warning {
		found.Means = "the kubelet should have renewed it by itself long ago; once it has expired the node becomes " +
			"NotReady. kubeadm certs renew does not renew this one"
	}
	found.Fix = []string{renewedTogether}
	if !f.Host.Node.CAKey {
		found.Fix = []string{
			"# on a control-plane node, with this node's name; the token is not shown:",
			"sudo kubeadm token create --ttl 1h | ssh THIS-NODE sudo kubeadm-arm certs renew --token-stdin",
		}
	}
}

func renewCA(found *Finding) {
	found.Means = "nothing renews a cluster's own authority: every certificate that it has signed ends with it"
	found.Fix = []string{"# a new CA has to be brought in by hand: " +
		"https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"}
}
