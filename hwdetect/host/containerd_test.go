package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const criV2 = `[plugins."io.containerd.grpc.v1.cri"`

func TestContainerdConfig(t *testing.T) {
	runc := func(c ContainerdConfig) ContainerdConfig {
		d := containerdDefaults()
		d.DisabledIn, d.SystemdCgroup, d.OldCgroup = c.DisabledIn, c.SystemdCgroup, c.OldCgroup
		d.SandboxImage, d.Snapshotter, d.Described, d.RuntimeType = c.SandboxImage, c.Snapshotter, c.Described, c.RuntimeType
		if c.BinDirs != nil {
			d.BinDirs = c.BinDirs
		}
		return d
	}
	for name, c := range map[string]struct {
		text string
		want ContainerdConfig
	}{
		"Docker's package": {"disabled_plugins = [\"cri\"]\n", ContainerdConfig{DisabledIn: []string{containerdPath}}},
		"Debian's package": {"version = 2\n\n[plugins]\n  " + criV2 + "]\n    " + criV2 + ".cni]\n      bin_dir = \"/usr/lib/cni\"\n", ContainerdConfig{BinDirs: []string{"/usr/lib/cni"}}},
		"version 2": {"version = 2\n" + criV2 + "]\nsandbox_image = \"registry.k8s.io/pause:3.9\"\n" + criV2 + ".containerd]\nsnapshotter = \"native\"\n" + criV2 + ".containerd.runtimes.runc.options]\nSystemdCgroup = true\n",
			ContainerdConfig{SystemdCgroup: "true", SandboxImage: "registry.k8s.io/pause:3.9", Snapshotter: "native", Described: true}},
		"version 3": {"version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'overlayfs'\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'registry.k8s.io/pause:3.10'\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = false\n",
			ContainerdConfig{SystemdCgroup: "false", SandboxImage: "registry.k8s.io/pause:3.10", Snapshotter: "overlayfs", Described: true}},
		"version 1":                  {"[plugins.cri]\nsystemd_cgroup = true\n", ContainerdConfig{OldCgroup: true}},
		"empty":                      {"", ContainerdConfig{}},
		"inline tables":              {"version = 2\nplugins = {\"io.containerd.grpc.v1.cri\" = {containerd = {runtimes = {runc = {options = {SystemdCgroup = true}}}}}}\n", ContainerdConfig{SystemdCgroup: "true", Described: true}},
		"another plugin is disabled": {"version = 2\ndisabled_plugins = [\"io.containerd.snapshotter.v1.zfs\"]\n", ContainerdConfig{}},
	} {
		got := readContainerdConfig(filesIn(tree(t, map[string]string{containerdPath[1:]: c.text})))
		assert.Equal(t, containerdPath, got.Path, name)
		got.Path, got.Files = "", nil
		assert.Equal(t, runc(c.want), got, name)
	}
	bad := readContainerdConfig(filesIn(tree(t, map[string]string{containerdPath[1:]: "version = 2\n[plugins\n"})))
	assert.Equal(t, "/etc/containerd/config.toml:2: not valid TOML: [plugins", bad.Problem.Error())
	assert.Contains(t, bad.Problem.Fix, "close the table's name")
	odd := tree(t, map[string]string{"etc/containerd/x": ""})
	require.NoError(t, os.Mkdir(filepath.Join(odd, containerdPath), 0o755))
	assert.Contains(t, readContainerdConfig(filesIn(odd)).Problem.Error(), "is a folder", "containerd could not start, "+
		"or would wait")
	// What containerd 1.6.20 says of them: config dump ends with an error.
	for text, want := range map[string]string{
		"version = 2\n[plugins.cri]\nsystemd_cgroup = true\n": "plugins.cri: from version 2 on",
		"version = 2\nrequired_plugins = [\"cri\"]\n":         `required_plugins: "cri": from version 2 on`,
		"version = 2\ndisabled_plugins = [\"zfs\"]\n":         `disabled_plugins: "zfs": from version 2 on`,
		"disabled_plugins = 5\n":                              "disabled_plugins has a value of the wrong kind",
		"version = \"2\"\n":                                   "version has a value of the wrong kind",
		"plugins = [1]\n":                                     "plugins has a value of the wrong kind",
		"imports = \"a.toml\"\n":                              "imports has a value of the wrong kind",
	} {
		got := readContainerdConfig(filesIn(tree(t, map[string]string{containerdPath[1:]: text})))
		assert.Contains(t, got.Problem.Error(), want, text)
	}
	none := readContainerdConfig(filesIn(t.TempDir()))
	assert.Equal(t, containerdDefaults(), none)
}

// What counts is what the files come to: the runtime that is taken by default,
// and the settings of the last file that has any.
func TestContainerdImports(t *testing.T) {
	const options = ".options]\nSystemdCgroup = true\n"
	main := "version = 2\nimports = [\"conf.d/*.toml\", \"/etc/containerd/other.toml\"]\n" + criV2 +
		".containerd.runtimes.runc" + options
	read := func(files_ map[string]string) ContainerdConfig {
		files_[containerdPath[1:]] = main
		files_["etc/containerd/other.toml"] = "version = 2\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n"
		return readContainerdConfig(filesIn(tree(t, files_)))
	}
	c := read(map[string]string{})
	assert.Equal(t, "true", c.SystemdCgroup)
	assert.Equal(t, []string{"/etc/containerd/other.toml"}, c.DisabledIn)
	// containerd 1 replaces the whole table, so that runc's option is gone.
	c = read(map[string]string{"etc/containerd/conf.d/10-cni.toml": "version = 2\n" + criV2 + ".cni]\nbin_dir = \"/x\"\n",
		"etc/containerd/conf.d/README": "not read"})
	assert.Empty(t, c.SystemdCgroup)
	assert.Equal(t, []string{"/x"}, c.BinDirs)
	assert.Len(t, c.Files, 3)
	// An import of the third version makes it containerd 2, which merges.
	c = read(map[string]string{"etc/containerd/conf.d/10-cni.toml": "version = " +
		"3\n[plugins.\"io.containerd.cri.v1.runtime\".cni]\nbin_dirs = [\"/x\", \"/y\"]\n"})
	assert.Equal(t, "true", c.SystemdCgroup)
	assert.Equal(t, []string{"/x", "/y"}, c.BinDirs)
	c = read(map[string]string{"etc/containerd/conf.d/99-nvidia.toml": "version = 2\n" + criV2 +
		".containerd]\ndefault_runtime_name = \"nvidia\"\n" + criV2 + ".containerd.runtimes.nvidia]\nruntime_type = " +
		"\"io.containerd.runc.v2\"\n"})
	assert.Equal(t, "nvidia", c.Runtime)
	assert.Empty(t, c.SystemdCgroup)
	assert.Equal(t, "io.containerd.runc.v2", c.RuntimeType)

	c = readContainerdConfig(filesIn(tree(t, map[string]string{containerdPath[1:]: "imports = [\"gone.toml\"]\n"})))
	assert.Contains(t, c.Problem.Error(), "it imports /etc/containerd/gone.toml, and there is no such file")
	c = readContainerdConfig(filesIn(tree(t, map[string]string{containerdPath[1:]: "imports = " +
		"[\"/etc/containerd/config.toml\", \"a.toml\"]\n", "etc/containerd/a.toml": "imports = [\"*.toml\"]\n"})))
	assert.Empty(t, c.Problem, "files that import each other are read once")
	assert.Len(t, c.Files, 2)
	// containerd's own answer counts more than this program's reading.
	r := Runtime{Containerd: c}
	r.SetDumped([]byte("version = 2\n" + criV2 + ".containerd]\ndefault_runtime_name = \"crun\"\n" + criV2 +
		".containerd.runtimes.crun" + options))
	assert.Equal(t, "crun", r.Containerd.Runtime)
	assert.Equal(t, "true", r.Containerd.SystemdCgroup)
	assert.Len(t, r.Containerd.Files, 2)
	r.SetDumped(nil)
	r.SetDumped([]byte("containerd: no such command"))
	assert.Equal(t, "crun", r.Containerd.Runtime)
}

func TestDockerConfig(t *testing.T) {
	assert.Equal(t, DockerConfig{CgroupDriver: "systemd", options: true}, parseDockerConfig([]byte(`{"log-driver": "json-file", "exec-opts": ["native.cgroupdriver=systemd"]}`)))
	assert.Equal(t, DockerConfig{}, parseDockerConfig([]byte("{}")))
	assert.NotEmpty(t, parseDockerConfig([]byte(`{"exec-opts": "native`)).Problem)
	f := filesIn(tree(t, map[string]string{
		"usr/lib/systemd/system/docker.service": "[Service]\n" +
			"ExecStart=/usr/bin/dockerd -H fd:// --exec-opt native.cgroupdriver=systemd\n",
	}))
	assert.Equal(t, "systemd", readDockerConfig(f).CgroupDriver)
}

// A kubelet's flag counts from wherever its unit takes it.
func TestKubeletArgs(t *testing.T) {
	const start = "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_KUBEADM_ARGS " +
		"$KUBELET_EXTRA_ARGS\n"
	const unitFile, kubeadms = "usr/lib/systemd/system/kubelet.service",
		"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Environment of a drop-in":       {map[string]string{unitFile: "[Service]\nExecStart=/usr/bin/kubelet\n", "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--fail-swap-on=false -v 2\"\nExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS\n"}, "false"},
		"/etc/default":                   {map[string]string{unitFile: "[Unit]\n", kubeadms: start + "EnvironmentFile=-/etc/default/kubelet\n", "etc/default/kubelet": "# KUBELET_EXTRA_ARGS=no\nKUBELET_EXTRA_ARGS=\"--fail-swap-on=false -v 2\"\n"}, "false"},
		"a file beats Environment":       {map[string]string{unitFile: start + "EnvironmentFile=/etc/default/kubelet\nEnvironment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n", "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=true"}, "true"},
		"the unit's own command":         {map[string]string{unitFile: "[Service]\nExecStart=/usr/bin/kubelet \\\n  --config=/x \\\n  --fail-swap-on=false\n"}, "false"},
		"a drop-in of the same name":     {map[string]string{unitFile: start, kubeadms: start + "Environment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n", "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "# masked\n"}, ""},
		"a file that nobody reads":       {map[string]string{unitFile: "[Service]\nExecStart=/usr/bin/kubelet\n", "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"}, ""},
		"a unit without a command":       {map[string]string{unitFile: "[Unit]\n", "etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"}, "false"},
		"the last flag counts":           {map[string]string{unitFile: "[Service]\nExecStart=/usr/bin/kubelet --fail-swap-on=false --fail-swap-on=true\n"}, "true"},
		"kubeadm's own flags":            {map[string]string{unitFile: "[Unit]\n", kubeadms: start + "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n", "var/lib/kubelet/kubeadm-flags.env": "KUBELET_KUBEADM_ARGS=\"--fail-swap-on=false\"\n"}, "false"},
		"quoted with blanks, both kinds": {map[string]string{unitFile: "[Service]\nEnvironment='A=--x=1' \"KUBELET_EXTRA_ARGS=--fail-swap-on=false\"\nExecStart=/usr/bin/kubelet ${A} $KUBELET_EXTRA_ARGS\n"}, "false"},
	} {
		n := readNode(filesIn(tree(t, c.files)), "/var/lib/etcd")
		assert.Equal(t, c.want, n.KubeletFlag("fail-swap-on"), name)
	}
}

func TestCNI(t *testing.T) {
	f := filesIn(tree(t, map[string]string{
		"etc/cni/net.d/20-later.conf": `{"type": "ptp"}`, "etc/cni/net.d/README": "x",
		"etc/cni/net.d/10-flannel.conflist": `{"plugins": [{"type": "flannel", "delegate": {}}, {"type": "portmap"}, {"type": "bridge", "ipam": {"type": "host-local"}}]}`,
		"opt/cni/bin/loopback":              "x", "usr/lib/cni/portmap": "x", "/srv/cni/loopback": "x",
	}))
	c := readCNI(f, "/etc/cni/net.d", []string{"/srv/cni"})
	assert.Equal(t, "/etc/cni/net.d/10-flannel.conflist", c.Config)
	assert.Equal(t, []string{"flannel", "portmap", "bridge", "host-local"}, c.Plugins)
	assert.Equal(t, []string{"/srv/cni", "/opt/cni/bin"}, c.Where["loopback"])
	assert.Equal(t, []string{"/usr/lib/cni"}, c.Where["portmap"])
	c = readCNI(filesIn(tree(t, map[string]string{"etc/cni/net.d/10-x.conf": "{"})), "/etc/cni/net.d", nil)
	assert.NotEmpty(t, c.Problem)
}

func TestSysctlFiles(t *testing.T) {
	f := filesIn(tree(t, map[string]string{
		"usr/lib/sysctl.d/50-x.conf": "net.ipv4.ip_forward = 1\n", "etc/sysctl.d/50-x.conf": "# nothing\n",
		"etc/sysctl.d/10-y.conf": "-net/ipv4/ip_forward=1\n", "etc/sysctl.conf": " net.ipv4.ip_forward = 0 \r\n",
	}))
	assert.Equal(t, SysctlFile{"/etc/sysctl.conf", " net.ipv4.ip_forward = 0 ", "0"}, readSysctlFiles(f,
		Sysctls())["net.ipv4.ip_forward"])
}
