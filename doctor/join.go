package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Join is what is known of the cluster that the board is to join.
type Join struct {
	// Endpoint is the API server's, or File names a discovery file.
	Endpoint, File string
	// TokenID is the part of the token that is no secret.
	TokenID string
	// Found is what the cluster answered; nil when it was not asked.
	Found *cluster.Found
	// Node is the name that the board is to have.
	Node string
	// ControlPlane is nil for a worker.
	ControlPlane *JoinControlPlane
	// Now is the board's clock when it was asked.
	Now time.Time
}

// checks is everything that is looked at on a board that is to join a cluster: what is
// kubeadm's preflight for it, and the cluster.
func (j *Join) checks() []func(Facts) []Finding {
	all := []func(Facts) []Finding{
		configFields,
		apiServerAnswers, tokenKnown, clusterCA, clusterClock, serverTrusted, nameTaken, versionSkew,
		programs, power,
		kernelRelease, kernelFeatures, pageSize, memoryCgroup, cgroupVersion,
		swap, clock, volumes, space,
		hostname, hostnameResolves,
		kernelSettings, defaultRoute, nameServers, ports,
		runtimeAnswers, containerdConfig, runtimeVersion, runtimeConfig, cgroupDriver, sandboxImage, cniPlugins,
		neededPrograms, kubeletUnit, kubeletFlags, kubeletVersion, leftovers,
	}
	if j.ControlPlane != nil {
		all = append(all, controlPlaneChecks()...)
	}
	return all
}

const anew = "kubeadm token create --print-join-command    # on a control-plane node: a fresh join command"

// joinFail is a finding about the cluster.
func joinFail(id, seen, means string, fix ...string) []Finding {
	return one(Finding{ID: id, Severity: Fail, Rule: KubeadmRule, Seen: seen, Means: means, Fix: fix})
}

// apiServerAnswers: who listens, and is it an API server.
func apiServerAnswers(f Facts) []Finding {
	j := f.Join
	if j.Found == nil {
		return nil
	}
	const id = "api-server"
	host, port := kubeadm.SplitEndpoint(j.Endpoint)
	switch found := j.Found; {
	case found.Reach == cluster.ReachNothing && found.Refused:
		return joinFail(id, j.Endpoint+" refuses connections: nobody listens on the port there",
			"the control plane does not run, or the port is another one (6443 unless chosen)",
			"ping -c 3 "+host, "kubeadm-arm status    # on that board: is its control plane up?")
	case found.Reach == cluster.ReachNothing && found.Unresolved:
		return joinFail(id, "the name "+host+" has no address on this board",
			"no name server knows it, and no line of /etc/hosts; the kubelet would ask for it as well",
			"echo 'ADDRESS "+host+"' | sudo tee -a /etc/hosts    # with the address of a control-plane node",
			"getent hosts "+host)
	case found.Reach == cluster.ReachNothing:
		return joinFail(id, j.Endpoint+" cannot be reached: "+found.Problem,
			"the board is off, in another network, or a firewall drops the packets",
			"ping -c 3 "+host, "ip route get "+host)
	case found.Foreign == 403 || found.Foreign == 401:
		return joinFail(id, j.Endpoint+" does not show cluster-info to anybody: "+found.Problem,
			"a cluster that kubeadm has set up does; this one was not, or anonymous access is off",
			"kubeadm-arm join --discovery-file FILE    # with the cluster's kubeconfig, copied from a control-plane node")
	case found.Foreign != 0:
		return joinFail(id, fmt.Sprintf("what answers at %s is no API server set up by kubeadm (HTTP status %d)", j.Endpoint,
			found.Foreign), "address or port are those of something else", anew)
	case found.Reach == cluster.ReachTCP && found.Slow:
		return one(Finding{ID: id, Severity: Warning, Seen: j.Endpoint + " takes connections and did not answer in time",
			Means: "it is busy or still starting; kubeadm asks again for a quarter of an hour"})
	case found.Reach == cluster.ReachTCP:
		return joinFail(id, fmt.Sprintf("port %s of %s does not speak TLS: %s", port, host, found.Problem),
			"address or port are those of something else", anew)
	case found.Reach < cluster.ReachCluster && found.Problem != "" && found.Untrusted == "":
		return one(Finding{ID: id, Severity: Warning, Seen: j.Endpoint + " has not answered all questions: " + found.Problem,
			Means: "it is busy or still starting; kubeadm asks again for a quarter of an hour"})
	case found.Server != "" && found.Reach == cluster.ReachCluster:
		return one(Finding{ID: id, Severity: Info, Brief: true, Seen: j.Endpoint + " answers; nodes are told " + found.Server,
			Means: "the kubelet will use that address, so it has to be reachable, too"})
	}
	return fine(id, j.Endpoint+" answers")
}

// tokenKnown: the cluster has signed its cluster-info with the token.
func tokenKnown(f Facts) []Finding {
	const id = "token"
	switch found := f.Join.Found; {
	case found == nil || f.Join.TokenID == "":
		return nil
	case found.NoSignature:
		return joinFail(id, "the cluster does not know the token "+f.Join.TokenID+" (any more)",
			"tokens expire after a day; a new one is known only once the controller-manager has signed cluster-info with it",
			anew)
	case found.BadSignature:
		return joinFail(id, "the cluster knows another token of the ID "+f.Join.TokenID,
			"the part after the dot is wrong", anew)
	case found.Denied:
		return joinFail(id, "the cluster does not accept the token "+f.Join.TokenID+" for its requests",
			"it expired a moment ago, or is not meant for joining", anew)
	case found.Reach >= cluster.ReachInfo:
		return fine(id, "known to the cluster")
	}
	return nil
}

// clusterCA: the CA is the one that was meant.
func clusterCA(f Facts) []Finding {
	found := f.Join.Found
	if found == nil || !found.OtherCA {
		return nil
	}
	return joinFail("ca-hash", "the cluster's CA has the hash "+strings.Join(found.CAHashes, ", ")+", not the one given",
		"this is another cluster than the join command is for, or the cluster was set up anew since; or somebody poses as it",
		anew)
}

// clockApart is how far two clocks may be apart without a word. Certificates of kubeadm's
// are valid from five minutes before they are made.
const clockApart = 5 * time.Minute

// clusterClock compares the board's clock with the CA's dates and the API server's clock.
func clusterClock(f Facts) []Finding {
	j := f.Join
	if j.Found == nil || j.Now.IsZero() {
		return nil
	}
	const id, form = "cluster-clock", "2006-01-02 15:04"
	now := j.Now.UTC().Format(form)
	fix := []string{"sudo timedatectl set-ntp true    # and wait until timedatectl says that it is synchronized"}
	if t := j.Found.ServerTime; !t.IsZero() {
		fix = append(fix, "sudo date -u -s '"+t.UTC().Format("2006-01-02 15:04:05")+"'    # the cluster's own time")
	}
	switch found := j.Found; {
	case j.early():
		return joinFail(id, fmt.Sprintf("the clock says %s; the cluster's CA is valid from %s on", now,
			found.NotBefore.UTC().Format(form)), "no certificate of the cluster is good until the clock is right", fix...)
	case j.late():
		return joinFail(id, fmt.Sprintf("the clock says %s; the cluster's CA was valid until %s", now,
			found.NotAfter.UTC().Format(form)), "either the clock is wrong, or the cluster's CA has expired", fix...)
	case !found.ServerTime.IsZero() && j.Now.Sub(found.ServerTime).Abs() > clockApart:
		return one(Finding{ID: id, Severity: Warning, Fix: fix,
			Seen: fmt.Sprintf("the clock says %s, the cluster's %s", now, found.ServerTime.UTC().Format(form)),
			Means: "one of the two is wrong; the kubelet's certificate may not be valid yet, and its leases look old to the " +
				"other board"})
	}
	return nil
}

// early and late report whether the board's clock is before or after all of the CA's time.
func (j *Join) early() bool { return !j.Found.NotBefore.IsZero() && j.Now.Before(j.Found.NotBefore) }
func (j *Join) late() bool  { return !j.Found.NotAfter.IsZero() && j.Now.After(j.Found.NotAfter) }

// serverTrusted: the API server's certificate is the CA's, and for this address.
func serverTrusted(f Facts) []Finding {
	found := f.Join.Found
	if found == nil || found.Untrusted == "" || f.Join.early() || f.Join.late() {
		return nil
	}
	return joinFail("server-certificate", "the certificate of "+f.Join.Endpoint+": "+found.Untrusted,
		"every request of the kubelet would fail", anew)
}

// nameTaken: kubeadm refuses a Node that is Ready, and takes over one that is not.
func nameTaken(f Facts) []Finding {
	j := f.Join
	if j.Found == nil || !j.Found.NodeKnown || f.Resuming {
		return nil
	}
	rename := "kubeadm-arm join --node-name " + j.Node + "-2    # or another name"
	switch n := j.Found.Node; {
	case n.Found && n.Ready:
		return joinFail("node-name", "the cluster has a Node "+j.Node+", which is Ready",
			"two boards of one name take each other's pods; an image copied to several cards has the same name on all",
			rename, "kubectl delete node "+j.Node+"    # if it is this board's own, from before a reset")
	case n.Found:
		return one(Finding{ID: "node-name", Severity: Warning,
			Seen:  "the cluster has a Node " + j.Node + " already, which is not Ready",
			Means: "this board will take its place; if that is another board which is only off, choose another name",
			Fix:   []string{rename}})
	}
	return fine("node-name", j.Node+" is free")
}

var minorOf = regexp.MustCompile(`^v\d+\.\d+\.\d+`)

// versionSkew compares the API server's version with the kubelet's and kubeadm's.
func versionSkew(f Facts) []Finding {
	found := f.Join.Found
	if found == nil || found.Version == "" {
		return nil
	}
	server, err := kubeadm.ParseVersion(minorOf.FindString(found.Version))
	if err != nil {
		return nil
	}
	const id = "version-skew"
	seen := fmt.Sprintf("cluster %s, kubeadm %s, kubelet %s", server, f.Kubeadm.Version, f.Kubelet)
	fix := fmt.Sprintf("sudo apt install kubelet='%d.%d.*' kubeadm='%d.%d.*'", server.Major, server.Minor, server.Major,
		server.Minor)
	skew := number(f.Kubeadm.Value(kubeadm.KubeletSkew))
	unknown := f.Kubelet == kubeadm.Version{}
	switch {
	case !unknown && f.Kubelet.Behind(server) < 0:
		return joinFail(id, seen, "a kubelet may never be newer than its API server", fix)
	case !unknown && f.Kubelet.Behind(server) > skew:
		return joinFail(id, seen,
			fmt.Sprintf("a kubelet may be %d minor versions older than its API server at most", skew), fix)
	case f.Known && f.Kubeadm.Version.Behind(server) != 0:
		return one(Finding{ID: id, Severity: Warning, Seen: seen, Fix: []string{fix},
			Means: "kubeadm is to be of the cluster's minor version: its configuration may be of a version that this one does " +
				"not read"})
	}
	return fine(id, seen)
}

// stopsAt reports whether kubeadm's preflight of a join stops at a file that is there, beside
// those at which that of init does (preflight/checks.go, JoinNodeChecks).
func (j *Join) stopsAt(path string) bool {
	return j != nil && (path == "/etc/kubernetes/bootstrap-kubelet.conf" ||
		path == "/etc/kubernetes/pki/ca.crt" && j.ControlPlane == nil)
}

// ofJoin makes a finding one for a board that joins: most are worded for init, and what the
// kubelet takes is for the cluster's configuration to say, which a busy API server may not
// have shown.
func (j *Join) ofJoin(found *Finding) {
	byConfig := slices.Contains([]string{"cgroup-version", "swap", "cgroup-driver"}, found.ID)
	if byConfig && found.Severity == Fail && (j.Found == nil || j.Found.KubeletConfig == "") {
		found.Severity = Warning
	}
	word := func(text string) string {
		text = strings.ReplaceAll(text, "kubeadm-arm init", "kubeadm-arm join")
		return strings.ReplaceAll(text, "init would", "join would")
	}
	found.Means = word(found.Means)
	for i, line := range found.Fix {
		found.Fix[i] = word(line)
	}
}
