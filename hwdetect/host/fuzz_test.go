package host

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

// FuzzHostFiles gives every parser of a board's files the same noise.
func FuzzHostFiles(f *testing.F) {
	for _, seed := range []string{tcp, "a none swap sw 0 0\n", "127.0.0.1 x\nnameserver 1\nhosts: a [b] c\n",
		"CONFIG_A=y\n", "extraargs=1\n\tAPPEND x\nroot=", "a 1 1 0\n", "KUBELET_EXTRA_ARGS='\n", "-----BEGIN " +
			"CERTIFICATE-----\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		parseCgroups(text)
		for _, s := range parseSwaps(text) {
			if s.Name == "" {
				t.Fatal("swap without a name")
			}
		}
		parseFstabSwap(text)
		for name := range parseHosts(text) {
			if name == "" || name != strings.ToLower(name) {
				t.Fatalf("name %q", name)
			}
		}
		parseNSS(text)
		if servers, _ := parseResolvConf(text); len(servers) > 3 {
			t.Fatal("too many name servers")
		}
		parseKernelConfig(text)
		for _, l := range parseNetTCP(text) {
			if l.Port < 0 || l.Port > 65535 || !l.Address.IsValid() {
				t.Fatal(l)
			}
		}
		hasDefaultRoute(text)
		hasDefaultRoute6(text)
		parseEnvironment(text)
		(unit{settings: parseUnit(text)}).command(filesIn(t.TempDir()))
		parseDockerConfig(text)
		if _, problem := parseCRIOFile("x", text); problem != nil && problem.Fix == "" {
			t.Fatal(problem, "without a word on what to do")
		}
		parseFibTrie(text)
		for _, a := range parseIfInet6(text) {
			if !a.Is6() {
				t.Fatal(a)
			}
		}
		_ = (&CNI{}).parse(text)
		parseCertificate(text)
		parseCertificate(parseKubeconfig(text))
		podName(text)
		for _, kind := range bootKinds() {
			s, ok := ParseBootFile(string(text), kind)
			if ok && (s.From < 0 || s.From > s.To || s.To > len(text) || s.At < s.From || s.At > s.To) {
				t.Fatal(kind, s)
			}
		}
		parsePiConfig(text)
		settingsOf(parseUnit(text), "ExecStart")
		for _, there := range []bool{true, false} {
			i := identity("machine-id", "/etc/machine-id", string(text), there)
			if i.Fingerprint != "" && len(i.Fingerprint) != 8 {
				t.Fatal(i)
			}
		}
	})
}

func FuzzContainerdConfig(f *testing.F) {
	f.Add([]byte("version = 2\ndisabled_plugins = " +
		"[\"cri\"]\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if f, _, problem := parseContainerdFile("x", text, 0); problem == nil {
			mergeContainerd([]ContainerdFile{f, f})
		}
	})
}

func FuzzGunzip(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if out, err := gunzip(text); err == nil && len(out) > rootfs.MaxFile {
			t.Fatal("a kernel configuration without end")
		}
	})
}
