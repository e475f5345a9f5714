package certs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// renewPatience is for one kubeadm: the kubelet waits for it. A dozen RSA keys take an ARMv6
// board some minutes. It works on a copy, so it can be killed at any moment.
const renewPatience = 30 * time.Minute

// RealKubeadm is the kubeadm at path, run by run.
func RealKubeadm(path string, b kubeadm.Behaviour, s Seen, env []string, run kubeadm.Runner) Kubeadm {
	return Kubeadm{
		Renews: func(l Leaf, algorithm string, period time.Duration) bool {
			return (l.Form == Pair || b.Has(kubeadm.RenewKubeconfigs)) && b.RenewsAs(algorithm, period)
		},
		Renew: func(ctx context.Context, r Request) error {
			all := kubeadm.Renewal{
				Names: r.Names, All: renewsAll(r.Names, b.Has(kubeadm.RenewKubeconfigs)), Algorithm: r.Algorithm, Period: r.Period,
				NodeName: s.NodeName(), AdvertiseAddress: s.AdvertiseAddress,
			}
			text, err := b.RenewalConfig(all)
			if err != nil {
				return err
			}
			const config = "kubeadm-arm-renewal.yaml"
			if err := os.WriteFile(filepath.Join(r.Dir, config), text, 0o600); err != nil {
				return err
			}
			return kubeadm.InPlaceOf(r.Dir, kubernetesDir, func() error {
				for _, args := range b.RenewalCommands(all, filepath.Join(kubernetesDir, config)) {
					c := kubeadm.Command{Path: path, Args: args, Env: env, Patience: renewPatience}
					if _, err := run(ctx, c); err != nil {
						return fmt.Errorf("%w: %s", err, kubeadm.Redact(kubeadm.ErrorLine(err)))
					}
				}
				return nil
			})
		},
	}
}

// renewsAll reports whether names are all certificates that kubeadm renews. It passes
// over a super-admin.conf that is missing.
func renewsAll(names []string, kubeconfigs bool) bool {
	for _, l := range leaves(defaultPKI) {
		wanted := !l.Kubelet() && l.Name != "super-admin.conf" && (kubeconfigs || l.Form == Pair)
		if wanted && !slices.Contains(names, l.Name) {
			return false
		}
	}
	return true
}

// NodeName is the name in the kubelet's client certificate or, if there is none, etcd's.
func (s Seen) NodeName() string {
	for _, name := range []string{"kubelet-client", "kubelet.conf"} {
		if l, ok := s.Leaf(name); ok && l.Certificate != nil {
			if node, ok := strings.CutPrefix(l.Certificate.Subject.CommonName, "system:node:"); ok {
				return node
			}
		}
	}
	return s.member
}
