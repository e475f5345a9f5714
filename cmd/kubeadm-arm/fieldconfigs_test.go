package main

import (
	"bytes"
	"os"
	"path/filepath"
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
				code := run(append([]string{"kubeadm-arm"}, args...), []string{"PATH=" + dir + "/bin:/usr/bin:/bin", "KUBEADM_ARM_STORAGE="}, nil, &out, &errs)
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
