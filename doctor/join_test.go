package doctor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// TestJoin: what a cluster answers, and what that means for a board that is to join it.
func TestJoin(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	well := cluster.Found{Reach: cluster.ReachCluster, Version: "v1.37.2", NodeKnown: true, ServerTime: now,
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0)}
	with := func(change func(*cluster.Found)) cluster.Found { f := well; change(&f); return f }
	for _, c := range []struct {
		name     string
		found    cluster.Found
		now      time.Time
		id       string
		severity Severity
		seen     string
	}{
		{"well", well, now, "api-server", OK, "10.0.0.1:6443 answers"},
		{"refused", cluster.Found{Refused: true, Problem: "connection refused"}, now, "api-server", Fail, "nobody listens"},
		{"no route", cluster.Found{Problem: "no route to host"}, now, "api-server", Fail, "no route to host"},
		{"no such host", cluster.Found{Unresolved: true, Problem: "no such host"}, now, "api-server", Fail, "has no address"},
		{"a web server", cluster.Found{Reach: cluster.ReachTLS, Foreign: 404, Problem: "x"}, now, "api-server", Fail,
			"no API server set up by kubeadm (HTTP status 404)"},
		{"not anonymous", cluster.Found{Reach: cluster.ReachTLS, Foreign: 403, Problem: "forbidden"}, now, "api-server", Fail,
			"does not show cluster-info"},
		{"ssh", cluster.Found{Reach: cluster.ReachTCP, Problem: "first record does not look like a TLS handshake"}, now,
			"api-server", Fail, "does not speak TLS"},
		{"slow", cluster.Found{Reach: cluster.ReachTCP, Slow: true, Problem: "deadline exceeded"}, now, "api-server", Warning,
			"did not answer in time"},
		{"slow later", cluster.Found{Reach: cluster.ReachInfo, Slow: true, Problem: "deadline exceeded"}, now, "api-server",
			Warning, "has not answered all questions"},
		{"1970, as the certificate shows", with(func(f *cluster.Found) { f.Untrusted = "x509: not yet valid" }),
			time.Unix(100, 0), "cluster-clock", Fail, "the clock says 1970"},
		{"another address", with(func(f *cluster.Found) { f.Server = "https://cp:6443" }), now, "api-server", Info, "https://cp:6443"},
		{"unknown token", cluster.Found{Reach: cluster.ReachInfo, NoSignature: true}, now, "token", Fail,
			"does not know the token abcdef"},
		{"wrong secret", cluster.Found{Reach: cluster.ReachInfo, BadSignature: true}, now, "token", Fail, "another token"},
		{"denied", with(func(f *cluster.Found) { f.Denied = true }), now, "token", Fail, "does not accept"},
		{"another CA", with(func(f *cluster.Found) { f.Reach, f.OtherCA = cluster.ReachInfo, true }), now, "ca-hash", Fail,
			"not the one given"},
		{"1970", well, time.Unix(100, 0), "cluster-clock", Fail, "the clock says 1970-01-01 00:01"},
		{"expired CA", well, now.AddDate(10, 0, 0), "cluster-clock", Fail, "was valid until"},
		{"an hour late", well, now.Add(-time.Hour), "cluster-clock", Warning, "the cluster's 2026-12-01 12:00"},
		{"other certificate", with(func(f *cluster.Found) { f.Reach, f.Untrusted = cluster.ReachInfo, "x509: not for 10.0.0.1" }), now,
			"server-certificate", Fail, "x509: not for 10.0.0.1"},
		{"name taken", with(func(f *cluster.Found) { f.Node = cluster.Node{Found: true, Ready: true} }), now, "node-name", Fail,
			"has a Node bpi, which is Ready"},
		{"name of one that is off", with(func(f *cluster.Found) { f.Node = cluster.Node{Found: true} }), now, "node-name", Warning,
			"not Ready"},
		{"kubelet too new", with(func(f *cluster.Found) { f.Version = "v1.36.0" }), now, "version-skew", Fail, "cluster v1.36.0"},
		{"kubelet too old", with(func(f *cluster.Found) { f.Version = "v1.41.0+k3s1" }), now, "version-skew", Fail, "cluster v1.41.0"},
		{"kubeadm older", with(func(f *cluster.Found) { f.Version = "v1.38.1" }), now, "version-skew", Warning, "cluster v1.38.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37, Patch: 2})
			require.NoError(t, err)
			f := Facts{Kubeadm: b, Known: true, Kubelet: kubeadm.Version{Major: 1, Minor: 37, Patch: 2},
				Join: &Join{Endpoint: "10.0.0.1:6443", TokenID: "abcdef", Node: "bpi", Found: &c.found, Now: c.now}}
			var all []Finding
			for _, check := range []func(Facts) []Finding{apiServerAnswers, tokenKnown, clusterCA, clusterClock, serverTrusted,
				nameTaken, versionSkew} {
				all = append(all, check(f)...)
			}
			for _, found := range all {
				if found.ID != c.id {
					assert.NotEqual(t, Fail, found.Severity, "one cause, one finding: %s", found.Seen)
					continue
				}
				assert.Equal(t, c.severity, found.Severity)
				assert.Contains(t, found.Seen, c.seen)
				if found.Severity == Fail {
					assert.NotEmpty(t, found.Means)
					assert.NotEmpty(t, found.Fix)
				}
				return
			}
			t.Errorf("no finding %s in %v", c.id, all)
		})
	}
}
