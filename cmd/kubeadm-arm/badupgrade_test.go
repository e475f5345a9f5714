package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// The paths of the made-up cluster's answers, and its members of etcd.
const (
	nodesPath   = "/api/v1/nodes"
	podsPath    = "/api/v1/namespaces/kube-system/pods"
	membersPath = "/v3/cluster/member/list"
	healthPath  = "/health"
)

// member is one of etcd's.
func member(name, more string) string {
	return fmt.Sprintf(`{"ID": "%[1]s", "name": "%[1]s", "peerURLs": ["https://127.0.0.1:2380"], `+
		`"clientURLs": ["https://127.0.0.1:2379"]%[2]s}`, name, more)
}

// node is one of the cluster's.
func node(name, kubelet, ready string) string {
	return fmt.Sprintf(`{"metadata": {"name": %q, "labels": {"node-role.kubernetes.io/control-plane": ""}}, "status": `+
		`{"nodeInfo": {"kubeletVersion": %q}, "conditions": [{"type": "Ready", "status": %q}]}}`, name, kubelet, ready)
}

func items(all ...string) string { return `{"items": [` + strings.Join(all, ", ") + `]}` }

// clusterConfig is the answer with a ClusterConfiguration.
func clusterConfig(version, more string) string {
	return fmt.Sprintf(`{"data": {"ClusterConfiguration": "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n`+
		`kubernetesVersion: %s\n%s"}}`, version, more)
}

// upgradable is a healthy board with a control plane of v1.36.3, whose cluster answers; others
// are answers instead, path by path.
func upgradable(others ...string) trial {
	answers := map[string]string{
		"/version": `{"gitVersion": "v1.36.3"}`, nodesPath: items(node("pi", "v1.36.3", "True")),
		nodesPath + "/pi": node("pi", "v1.36.3", "True"), configPath: clusterConfig("v1.36.3", ""), podsPath: items(),
		membersPath: `{"members": [` + member("pi", "") + `]}`, healthPath: `{"health": "true"}`, "/healthz": "",
	}
	for i := 0; i < len(others); i += 2 {
		answers[others[i]] = others[i+1]
	}
	return trial{Answers: answers, Mounts: map[string]string{"/var/lib/etcd": "size=200m,mode=700"}}
}

// worker is such a board without a control plane, in a cluster that has been upgraded.
func worker(others ...string) trial {
	c := upgradable(append([]string{configPath, clusterConfig("v1.37.2", "")}, others...)...)
	c.Worker = true
	return c
}

// withCluster are the files of a trial, on a board of a cluster; its own win.
func withCluster(t *testing.T, c trial) map[string]entry {
	root := t.TempDir()
	b := boardtest.At(t, root, "127.0.0.1:1")
	b.MakePKI()
	if c.Expired {
		boardtest.PairUntil(t, b.Layout.At("/etc/kubernetes/pki/apiserver"), nil, time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC))
	}
	boardtest.Pair(t, filepath.Join(root, "system:node:pi"), nil)
	for _, component := range plan.Components() {
		text := strings.ReplaceAll(boardtest.Manifest(component, b.Address), ":v1.37.2", ":v1.36.3")
		boardtest.Put(t, b.Layout.Manifest(component), strings.ReplaceAll(text, "    - --secure-port=1\n",
			"    - --secure-port=6443\n    - --advertise-address=127.0.0.1\n    - --name=pi\n"))
	}
	all := map[string]entry{"/var/lib/etcd/member/snap/db": file("data"), "/var/lib/kubelet/config.yaml": file("x: 1\n")}
	// The servers of the trial need them in any case.
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, root)
		if strings.HasPrefix(name, "/etc/kubernetes/pki/") {
			all["/opt/servers"+strings.TrimPrefix(name, "/etc/kubernetes/pki")] = file(string(text))
		}
		if c.Worker && name != "/etc/kubernetes/kubelet.conf" && name != "/etc/kubernetes/pki/ca.crt" {
			return err
		}
		own := strings.ReplaceAll(string(text), "10.0.0.1:6443", "127.0.0.1:6443")
		all[name] = file(own)
		return err
	}))
	delete(all, "/system:node:pi.crt")
	delete(all, "/system:node:pi.key")
	if c.Worker {
		delete(all, "/var/lib/etcd/member/snap/db")
		conf := string(all["/etc/kubernetes/kubelet.conf"].Text)
		const pem = "/var/lib/kubelet/pki/kubelet-client-current.pem"
		at := strings.Index(conf, "users:")
		all["/etc/kubernetes/kubelet.conf"] = file(conf[:at] + "users:\n- {name: kubelet, user: {client-certificate: " + pem +
			", client-key: " + pem + "}}\n")
		var pair []byte
		for _, ending := range []string{".crt", ".key"} {
			text, err := os.ReadFile(filepath.Join(root, "system:node:pi"+ending))
			require.NoError(t, err)
			pair = append(pair, text...)
		}
		all[pem] = file(string(pair))
	}
	maps.Copy(all, c.Files)
	return all
}

// serveCluster answers at the addresses of an API server and of etcd, in the trial's own
// network namespace. An answer that begins with a number is a status.
func serveCluster(answers map[string]string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if code, message, is := strings.Cut(text, " "); is && len(code) == 3 {
			text = message
			status, _ := strconv.Atoi(code)
			w.WriteHeader(status)
		} else if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	})
	for address, base := range map[string]string{"127.0.0.1:6443": "/opt/servers/apiserver",
		"127.0.0.1:2379": "/opt/servers/etcd/server"} {
		pair, err := tls.LoadX509KeyPair(base+".crt", base+".key")
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() {
			_ = http.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}), answer)
		}()
	}
	return nil
}

// The board of the catalogue would be upgraded if nothing were wrong.
func TestUpgradePlans(t *testing.T) {
	external := upgradable(configPath, clusterConfig("v1.36.3",
		"etcd: {external: {endpoints: ['https://10.0.0.9:2379']}}\\n"))
	second := upgradable(configPath, clusterConfig("v1.37.2", ""),
		nodesPath, items(node("pi", "v1.36.3", "True"), node("two", "v1.37.2", "True")),
		podsPath, items(apiServerOf("two", "127.0.0.1")), membersPath, `{"members": [`+member("pi", "")+","+member("two", "")+`]}`)
	for name, c := range map[string]struct {
		words string
		trial trial
		says  []string
	}{
		"apply": {"upgrade apply v1.37.2", upgradable(), []string{"have kubeadm write the manifests of v1.37.2",
			"nothing would make upgrade apply fail"}},
		"external etcd": {"upgrade apply v1.37.2", external, []string{"stop the control plane", "etcd is not on this board"}},
		"another control plane": {"upgrade node", second, []string{"have kubeadm write the manifests of v1.37.2",
			"abort leaves"}},
		"worker":     {"upgrade node", worker(), []string{"run kubeadm's upgrade of the node"}},
		"an old one": {"upgrade node", worker(nodesPath+"/pi", node("pi", "v1.34.1", "True")), []string{"from-v1.34.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.trial.Args = append(strings.Fields(c.words), "--dry-run", "--verbose")
			e := tryOnBoard(t, c.trial)
			require.Equal(t, 0, e.Code, e.Stderr)
			assert.Empty(t, e.Changed)
			for _, text := range c.says {
				assert.Contains(t, strings.Join(strings.Fields(e.Stdout), " "), text)
			}
		})
	}
}

// apiServerOf is the mirror pod of a node's API server.
func apiServerOf(node, address string) string {
	return fmt.Sprintf(`{"metadata": {"labels": {"component": "kube-apiserver"}}, "spec": {"nodeName": %q, "containers": `+
		`[{"command": ["kube-apiserver", "--advertise-address=%s"]}]}}`, node, address)
}

func badUpgrades() []badInput {
	const apply, head = "upgrade apply v1.37.2 --yes", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: "
	config := func(name, text string) badInput {
		return badInput{"upgrade-config-" + name, exitBadConfig, apply + " --config u.yaml",
			upgradable().and("/mnt/u.yaml", file(text))}
	}
	version := func(name string, code int, words, kubeadm string) badInput {
		return badInput{"upgrade-version-" + name, code, words, upgradable().env1("FAKE_VERSION=" + kubeadm)}
	}
	damaged := func(name, answer string) badInput {
		return badInput{"upgrade-cluster-config-" + name, exitBadConfig, apply, upgradable(configPath, answer)}
	}
	cluster := func(name, words string, others ...string) badInput {
		return badInput{"upgrade-cluster-" + name, exitNotReady, words, upgradable(others...)}
	}
	backups := func(name string, all ...any) badInput {
		return badInput{"upgrade-backups-" + name, exitBadInput, apply, upgradable().and(all...)}
	}
	full := upgradable()
	full.Fill = map[string]int{"/var/lib/etcd": 64 << 20}
	interrupted := upgradable().env1("FAKE_RENDER=1")
	interrupted.Before = []string{"kubeadm-arm " + apply}
	initFirst := upgradable()
	initFirst.Before, initFirst.Answers = interruptedBoard().Before, nil
	two := items(node("pi", "v1.36.3", "True"), node("two", "v1.36.3", "True"))
	return []badInput{
		{"upgrade-no-version", exitUsage, "upgrade apply", upgradable()},
		{"upgrade-two-versions", exitUsage, "upgrade apply v1.37.1 v1.37.2", upgradable()},
		{"upgrade-version-cut-off", exitUsage, "upgrade apply v1.37", upgradable()},
		{"upgrade-version-is-a-word", exitUsage, "upgrade apply newest", upgradable()},
		version("two-minors-on", exitNotReady, "upgrade apply v1.38.0 --yes", "v1.38.0"),
		version("back", exitNotReady, "upgrade apply v1.35.4 --yes", "v1.35.4"),
		version("kubeadm-is-older", exitNotReady, apply, "v1.36.3"),
		version("kubeadm-has-another-patch", exitNotReady, "upgrade apply v1.37.5 --yes", "v1.37.2"),
		version("kubeadm-before-apply", exitNotReady, "upgrade node", "v1.37.2"),
		{"upgrade-not-root", exitNotRoot, apply + " --dry-run", trial{Nobody: true}},
		{"upgrade-own-flag", exitUsage, apply + " --arm-no-such", upgradable()},
		{"upgrade-profile", exitUsage, "upgrade node --profile turbo", upgradable()},
		{"upgrade-flag-of-kubeadm", 1, apply + " --no-such-flag", begun(upgradable())},
		{"upgrade-no-images", 1, apply, begun(upgradable().env1("FAKE_EXIT=1"))},
		{"upgrade-not-confirmed", exitUsage, "upgrade apply v1.37.2", upgradable()},
		{"upgrade-patches-missing", exitBadInput, apply + " --patches /no/such", upgradable()},
		{"upgrade-plan-kubeadm-missing", exitNoKubeadm, "upgrade plan --arm-kubeadm /no/such", trial{}},
		config("of-the-cluster", head+"ClusterConfiguration\n"),
		config("of-old-api", "apiVersion: kubeadm.k8s.io/v1beta3\nkind: UpgradeConfiguration\n"),
		config("wrong-type", head+"UpgradeConfiguration\ntimeouts: 5m\n"),
		{"upgrade-config-for-old-kubeadm", exitBadConfig, "upgrade apply v1.30.2 --config u.yaml",
			upgradable().and("/mnt/u.yaml", file(head+"UpgradeConfiguration\n")).env1("FAKE_VERSION=v1.30.2")},
		{"upgrade-apply-on-a-worker", exitNoCluster, apply, worker()},
		{"upgrade-apply-nothing-here", exitNoCluster, apply, trial{}},
		{"upgrade-node-nothing-here", exitNoCluster, "upgrade node", trial{}},
		{"upgrade-cluster-silent", exitNoCluster, apply, upgradable("/version", "503 starting")},
		{"upgrade-cluster-unknown-to-a-worker", exitNoCluster, "upgrade node", worker(nodesPath+"/pi", "404 no")},
		cluster("plane-not-ready", apply, nodesPath, items(node("pi", "v1.36.3", "False"))),
		cluster("kubelet-too-old", apply, nodesPath, items(node("pi", "v1.33.9", "True"))),
		cluster("etcd-unhealthy", apply, healthPath, "503 {}"),
		cluster("etcd-member-learns", apply, membersPath, `{"members": [`+member("pi", "")+","+
			member("two", `, "isLearner": true`)+`]}`),
		cluster("etcd-silent", apply, membersPath, "503 {}"),
		cluster("other-plane-silent", "upgrade node", configPath, clusterConfig("v1.37.2", ""), nodesPath, two,
			podsPath, items(apiServerOf("two", "127.0.0.2"))),
		cluster("other-plane-without-api-server", "upgrade node", configPath, clusterConfig("v1.37.2", ""), nodesPath, two),
		damaged("gone", "404 no"), damaged("empty", `{}`), damaged("malformed", `{"data": {"ClusterConfiguration": "kind: [a"}}`),
		damaged("no-version", clusterConfig("", "")), damaged("version-is-a-word", clusterConfig("stable", "")),
		{"upgrade-no-space-for-etcd", exitNotReady, apply, full},
		{"upgrade-expired", exitCerts, apply, withExpired()},
		backups("is-a-file", "/var/backups/kubeadm-arm", file("")),
		backups("is-a-link", "/var/backups/kubeadm-arm", link("/mnt")),
		backups("open-to-others", "/var/backups/kubeadm-arm", folder(0o777)),
		{"upgrade-read-only", exitDisk, apply, func() trial { c := upgradable(); c.After = "mount -o remount,ro /etc"; return c }()},
		{"upgrade-init-interrupted", exitChanged, apply, initFirst},
		{"upgrade-interrupted-other-version", exitChanged, "upgrade apply v1.37.1 --yes", interrupted},
		{"upgrade-interrupted-node", exitChanged, "upgrade node", interrupted},
		{"upgrade-journal-damaged", exitBadInput, "upgrade node",
			worker().and("/etc/kubernetes/kubeadm-arm", folder(0o700), journalPath, file("{"))},
		{"upgrade-manifest-empty", exitNoCluster, apply,
			upgradable().and("/etc/kubernetes/manifests/kube-apiserver.yaml", file(""))},
		{"upgrade-admin-conf-damaged", exitNoCluster, apply, upgradable().and("/etc/kubernetes/super-admin.conf", file("x"))},
	}
}

func begun(c trial) trial { c.Begun = true; return c }

func withExpired() trial { c := upgradable(); c.Expired = true; return c }
