package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// tool is one way of bringing a control plane up.
type tool struct {
	// Name stands in tables and results.
	Name string
	// command is what runs on the board.
	command []string
	// pod says that an ordinary pod is to run there afterwards.
	pod bool
}

// The names of the tools.
const (
	stock  = "kubeadm init"
	arm    = "kubeadm-arm init"
	recipe = "recipe by hand"
	expert = "expert's config"
	// article is how the article's author had pods run on his only board.
	article = arm + " --skip-phases mark-control-plane"
	// What Kubernetes released for 32 bits is for ARMv7: kubeadm-v7, which --bin
	// brings, dies on older cores, and kubeadm-arm refuses it.
	armv7   = "kubeadm init, built for ARMv7"
	refused = "kubeadm-arm init, with that kubeadm"
)

// toolNames are what parseTools reads.
const toolNames = "stock, recipe, expert, article (pods on the only board), armv7 (kubeadm-v7, see --bin), " +
	"kubeadm-arm, kubeadm-arm:PROFILE"

// parseTools reads a list of stock, recipe, expert, article, armv7, kubeadm-arm and
// kubeadm-arm:PROFILE.
func parseTools(list string) ([]tool, error) {
	var all []tool
	for _, name := range strings.Split(list, ",") {
		profile, isArm := strings.CutPrefix(name, "kubeadm-arm:")
		switch {
		case name == "stock":
			all = append(all, tool{Name: stock, command: []string{"kubeadm", "init", "--config", drive.KubeadmConfig}})
		case name == "kubeadm-arm":
			all = append(all, tool{Name: arm, command: []string{"kubeadm-arm", "init", "--config",
				drive.KubeadmConfig}})
		case isArm && profile != "":
			all = append(all, tool{Name: arm + " (" + profile + ")",
				command: []string{"kubeadm-arm", "init", "--profile", profile, "--config", drive.KubeadmConfig}})
		case name == "article":
			all = append(all, tool{Name: article, pod: true,
				command: append(strings.Fields(article), "--config", drive.KubeadmConfig)})
		case name == "armv7":
			all = append(all, tool{Name: armv7, command: []string{"kubeadm-v7", "init", "--config",
				drive.KubeadmConfig}},
				tool{Name: refused, command: []string{"kubeadm-arm", "--arm-kubeadm", "/usr/local/bin/kubeadm-v7",
					"init",
					"--config", drive.KubeadmConfig}})
		case name == "recipe":
			all = append(all, tool{Name: recipe, command: []string{"sh", "-ec", recipeScript}})
		case name == "expert":
			all = append(all, tool{Name: expert, command: []string{"sh", "-ec", expertScript}})
		default:
			return nil, fmt.Errorf("--tools: unknown tool %q: want stock, recipe, expert, article, armv7, kubeadm-arm or "+
				"kubeadm-arm:PROFILE", name)
		}
	}
	return all, nil
}

// commandFor is the command for a version of Kubernetes. v1.13 and v1.14 know no
// kernel newer than 4.x and have no field in their config to accept it.
func (t tool) commandFor(version string) []string {
	old := strings.HasPrefix(version, "v1.13.") || strings.HasPrefix(version, "v1.14.")
	if old && strings.HasSuffix(t.command[len(t.command)-1], drive.KubeadmConfig) {
		return append(slices.Clone(t.command), "--ignore-preflight-errors=SystemVerification")
	}
	return t.command
}

// needsArm reports whether kubeadm-arm has to be on the board.
func (t tool) needsArm() bool { return t.command[0] == "kubeadm-arm" }

// isArm reports whether the tool is kubeadm-arm, with whatever profile.
func isArm(name string) bool { return strings.HasPrefix(name, arm) && name != refused }

// recipeScript is what owners of slow boards do by hand: a longer probe, and
// scheduler and controller-manager out of the way until the API server is up.
const recipeScript = `
config=` + drive.KubeadmConfig + `
manifests=/etc/kubernetes/manifests
for phase in "certs all" "kubeconfig all" "etcd local" "control-plane all"; do
	kubeadm init phase $phase --config $config
done
sed -i '/startupProbe:/,/timeoutSeconds:/ s/failureThreshold: .*/failureThreshold: 120/; /livenessProbe:/,/timeoutSeconds:/ s/initialDelaySeconds: .*/initialDelaySeconds: 240/' $manifests/kube-apiserver.yaml
mkdir -p /root/aside
mv $manifests/kube-controller-manager.yaml $manifests/kube-scheduler.yaml /root/aside/
kubeadm init phase kubelet-start --config $config
until [ "$(curl -sk --max-time 60 https://127.0.0.1:6443/readyz)" = ok ]; do sleep 5; done
mv /root/aside/*.yaml $manifests/
kubeadm init --config $config --skip-phases=preflight,certs,kubeconfig,etcd,control-plane,kubelet-start
`

// expertScript is one kubeadm init by somebody who knows every field of
// v1beta4: all timeouts raised, small keys, probes patched.
const expertScript = `
mkdir -p /root/patches
for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
	cat > /root/patches/$component.yaml <<END
apiVersion: v1
kind: Pod
metadata: {name: $component, namespace: kube-system}
spec:
  containers:
  - name: $component
    startupProbe: {failureThreshold: 240}
    livenessProbe: {timeoutSeconds: 60}
END
done
sed -e '/^kind: ClusterConfiguration/a encryptionAlgorithm: ECDSA-P256' -e '/^kind: InitConfiguration/a \
patches: {directory: /root/patches}\
timeouts: {controlPlaneComponentHealthCheck: 20m, kubeletHealthCheck: 20m, kubernetesAPICall: 20m, etcdAPICall: 20m, tlsBootstrap: 20m, discovery: 20m, upgradeManifests: 20m}' \
	` + drive.KubeadmConfig + ` > /root/expert.yaml
kubeadm init --config /root/expert.yaml
`
