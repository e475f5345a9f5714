package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	clusterV4 = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	initV4    = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
	kubeletV1 = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailSwapOn: false\n"
)

// fieldConfigs are files for --config as their owners have them, with the kubeadm
// that gets them and what doctor and init both have to say; empty for a file that
// both take.
func fieldConfigs() map[string]struct{ version, text, says string } {
	return map[string]struct{ version, text, says string }{
		"anchors":                 {"v1.37.2", clusterV4 + "apiServer: &a\n  extraArgs: [{name: profiling, value: \"false\"}]\ncontrollerManager:\n  <<: *a\n", ""},
		"a byte-order mark":       {"v1.37.2", "\ufeff" + clusterV4, ""},
		"CRLF":                    {"v1.37.2", "apiVersion: kubeadm.k8s.io/v1beta4\r\nkind: ClusterConfiguration\r\nnetworking:\r\n  podSubnet: 10.244.0.0/16\r\n---\r\n", ""},
		"JSON":                    {"v1.37.2", `{"apiVersion":"kubeadm.k8s.io/v1beta4","kind":"ClusterConfiguration","networking":{"podSubnet":"10.244.0.0/16"}}`, ""},
		"both families":           {"v1.37.2", initV4 + "localAPIEndpoint: {advertiseAddress: \"fd00::10\"}\nskipPhases: [addon/kube-proxy]\n\n---\n" + clusterV4 + "networking: {podSubnet: \"10.244.0.0/16,fd00:1::/56\"}\n", ""},
		"external etcd":           {"v1.37.2", clusterV4 + "etcd:\n  external:\n    endpoints: [https://192.168.1.11:2379]\n", ""},
		"a JoinConfiguration too": {"v1.37.2", initV4 + "---\n" + clusterV4 + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n", ""},
		"a kubelet's alone":       {"v1.37.2", kubeletV1, ": no InitConfiguration and no ClusterConfiguration in it\nhint: kubeadm wants one of the two beside others"},
		"a kubelet's beside":      {"v1.37.2", clusterV4 + "---\n" + kubeletV1, ""},
		"another program's":       {"v1.37.2", "kind: Cluster\napiVersion: k3d.io/v1alpha5\n", ": no InitConfiguration and no ClusterConfiguration in it\n"},
		"a bool for a string":     {"v1.37.2", clusterV4 + "apiServer:\n  extraArgs:\n  - name: profiling\n    value: \"false\"\n  - name: anonymous-auth\n    value: false\n", ":8: ClusterConfiguration.apiServer.extraArgs.value: is a bool where kubeadm wants string\n"},
		"a number for a string":   {"v1.37.2", initV4 + "nodeRegistration:\n  kubeletExtraArgs: [{name: v, value: 5}]\n", ":4: InitConfiguration.nodeRegistration.kubeletExtraArgs.value: is a number where kubeadm wants string\n"},
		"an old map":              {"v1.37.2", initV4 + "nodeRegistration:\n  kubeletExtraArgs:\n    node-ip: \"192.168.1.5\"\n", ":5: InitConfiguration.nodeRegistration.kubeletExtraArgs: is a mapping where kubeadm wants a list\n"},
		"tabs":                    {"v1.37.2", clusterV4 + "networking:\n\tpodSubnet: 10.244.0.0/16\n", ":4: found character that cannot start any token\n"},
		"of v1.11":                {"v1.37.2", "apiVersion: kubeadm.k8s.io/v1alpha1\nkind: MasterConfiguration\n", ": apiVersion: kubeadm v1.37.2 does not read kubeadm.k8s.io/v1alpha1\nhint: this file is for kubeadm v1.11 or older; that version's kubeadm config migrate "},
		"of v1.12":                {"v1.29.0", "apiVersion: kubeadm.k8s.io/v1alpha2\nkind: MasterConfiguration\n", "hint: this file is for kubeadm v1.12 or older"},
		"too old":                 {"v1.37.2", "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n", "kubeadm v1.37.2 does not read kubeadm.k8s.io/v1beta3\nhint: this file is for kubeadm v1.36 or older"},
		"too new":                 {"v1.28.15", clusterV4, "kubeadm v1.28.15 does not read kubeadm.k8s.io/v1beta4\nhint: this file is for kubeadm v1.31 or newer"},
		"half of it too old":      {"v1.37.2", clusterV4 + "---\napiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n", ":4: apiVersion: kubeadm v1.37.2 does not read kubeadm.k8s.io/v1beta2"},
		"an unknown version":      {"v1.37.2", "apiVersion: kubeadm.k8s.io/v1beta5\nkind: ClusterConfiguration\n", ":1: apiVersion: kubeadm v1.37.2 does not read kubeadm.k8s.io/v1beta5\nhint: no kubeadm that this program knows reads it"},
		"no such version":         {"nothing", "apiVersion: kubeadm.k8s.io/v1beta5\nkind: ClusterConfiguration\n", ":1: apiVersion: "},
		"a newer kubeadm's":       {"v1.38.0", "apiVersion: kubeadm.k8s.io/v1beta5\nkind: ClusterConfiguration\n", ""},
		"failSwapOn as a string":  {"v1.37.2", clusterV4 + "---\n" + strings.Replace(kubeletV1, "false", `"false"`, 1), ":6: KubeletConfiguration.failSwapOn: is a string where kubeadm wants bool\n"},
		"a kubelet of v1":         {"v1.37.2", clusterV4 + "---\n" + strings.Replace(kubeletV1, "v1beta1", "v1", 1), ":4: apiVersion, kind: kubeadm does not read kubelet.config.k8s.io/v1 KubeletConfiguration\n"},
		"two kubelets":            {"v1.37.2", clusterV4 + "---\n" + kubeletV1 + "---\n" + kubeletV1, ":8: KubeletConfiguration: a second document of this kind\n"},
		"no mask":                 {"v1.37.2", clusterV4 + "networking: {podSubnet: 10.244.0.0}\n", `:3: ClusterConfiguration.networking.podSubnet: "10.244.0.0" has no prefix length; write it as in 10.244.0.0/16` + "\n"},
		"no mask of IPv6":         {"v1.37.2", clusterV4 + "networking: {serviceSubnet: \"fd00::\"}\n", `"fd00::" has no prefix length; write it as in fd00:10:244::/56`},
		"a blank in a list":       {"v1.37.2", clusterV4 + "networking: {podSubnet: \"10.244.0.0/16, fd00::/56\"}\n", `" fd00::/56" is no network with its prefix length`},
		"two of IPv4":             {"v1.37.2", clusterV4 + "networking: {podSubnet: \"10.244.0.0/16,10.245.0.0/16\"}\n", "kubeadm takes one network, or one of IPv4 and one of IPv6"},
		"few services":            {"v1.37.2", clusterV4 + "networking: {serviceSubnet: 10.96.0.0/29}\n", "too small"},
		"many services":           {"v1.37.2", clusterV4 + "networking: {serviceSubnet: 10.0.0.0/8}\n", "kubeadm takes /12 and smaller"},
		"many services of old":    {"v1.18.20", strings.Replace(clusterV4, "v1beta4", "v1beta2", 1) + "networking: {serviceSubnet: 10.0.0.0/8}\n", ""},
		"no node's network":       {"v1.37.2", clusterV4 + "networking: {podSubnet: 10.244.0.0/26}\n", "is smaller than the /24 that each node gets of it"},
		"other nodes' networks":   {"v1.37.2", clusterV4 + "networking: {podSubnet: 10.244.0.0/26}\ncontrollerManager: {extraArgs: [{name: node-cidr-mask-size-ipv4, value: \"28\"}]}\n", ""},
		"two kinds of etcd":       {"v1.37.2", clusterV4 + "etcd:\n  local: {dataDir: /mnt/etcd}\n  external: {endpoints: [https://192.168.1.11:2379]}\n", ":4: ClusterConfiguration.etcd: has both local and external, of which kubeadm takes one\nhint: remove local"},
		"a relative folder":       {"v1.37.2", clusterV4 + "etcd: {local: {dataDir: etcd}}\n", `:3: ClusterConfiguration.etcd.local.dataDir: "etcd" has to be an absolute path`},
		"a URL for an endpoint":   {"v1.37.2", clusterV4 + "controlPlaneEndpoint: https://k8s:6443\n", `"https://k8s:6443" is no address and no DNS name`},
		"a name for an address":   {"v1.37.2", initV4 + "localAPIEndpoint: {advertiseAddress: board.local}\n", `InitConfiguration.localAPIEndpoint.advertiseAddress: "board.local" is no IP address`},
		"a port too high":         {"v1.37.2", initV4 + "localAPIEndpoint: {bindPort: 70000}\n", "70000 is no port"},
		"a bad domain":            {"v1.37.2", clusterV4 + "networking: {dnsDomain: cluster_local}\n", `"cluster_local" is no DNS name`},
		"a bad patch":             {"v1.37.2", initV4 + "patches: {directory: $DIR/patches}\n", "patches"},
	}
}

// doctor and init judge a configuration alike, by the same words.
func TestDoctorAndInitJudgeAlike(t *testing.T) {
	scripts, err := txtar.ParseFile("testdata/script/doctor.txtar")
	require.NoError(t, err)
	for name, c := range fieldConfigs() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
				return path
			}
			if c.version == "nothing" { // doctor alone can be asked
				var errs bytes.Buffer
				config := write("k.yaml", c.text)
				code := run([]string{"kubeadm-arm", "doctor", "--config", config}, []string{"PATH=/nowhere"}, nil, &bytes.Buffer{},
					&errs)
				assert.Contains(t, errs.String(), c.says)
				assert.Equal(t, exitBadConfig, code)
				return
			}
			write("bin/kubeadm", "#!/bin/sh\necho "+c.version+"\n")
			write("bin/kubelet", "#!/bin/sh\necho Kubernetes "+c.version+"\n")
			write("patches/kube-apiserver+json.yaml", "not: [a patch")
			var bench string
			for _, f := range scripts.Files {
				if f.Name == "fast.json" {
					bench = write("fast.json", string(f.Data))
				}
			}
			config := write("k.yaml", string(bytes.ReplaceAll([]byte(c.text), []byte("$DIR"), []byte(dir))))
			ask := func(args ...string) (string, int) {
				var out, errs bytes.Buffer
				code := run(append([]string{"kubeadm-arm"}, args...), []string{"PATH=" + dir + "/bin:/usr/bin:/bin",
					"KUBEADM_ARM_STORAGE="}, nil, &out, &errs)
				return errs.String(), code
			}
			said, code := ask("init", "--dry-run", "--arm-bench", bench, "--config", config)
			doctorSaid, doctorCode := ask("doctor", "--config", config)
			if c.says == "" {
				assert.Zero(t, code, said)
				assert.LessOrEqual(t, doctorCode, 2, doctorSaid)
				return
			}
			assert.Contains(t, said, c.says)
			assert.Equal(t, said, doctorSaid)
			assert.Equal(t, code, doctorCode)
			assert.Contains(t, []int{exitBadConfig, exitBadInput}, code)
		})
	}
}
