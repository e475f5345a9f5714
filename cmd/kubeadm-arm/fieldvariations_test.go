package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A variation is a legal form of a file in which doctor has to change something.
type variation struct {
	name, text string
}

// forms multiplies texts by what an editor makes of a file: line ends of either
// kind, and with or without one at the end. Each text gets two of the four forms,
// unless VARIATIONS=all asks for all of them (make variations).
func forms(all []variation) []variation {
	var out []variation
	for i, v := range all {
		bare := strings.TrimSuffix(v.text, "\n")
		four := []variation{v,
			{v.name + ", CRLF, no final newline", strings.ReplaceAll(bare, "\n", "\r\n")},
			{v.name + ", no final newline", bare},
			{v.name + ", CRLF", strings.ReplaceAll(v.text, "\n", "\r\n")}}
		if os.Getenv("VARIATIONS") != "all" {
			four = four[i%2*2 : i%2*2+2]
		}
		out = append(out, four...)
	}
	return out
}

// runtimeForms are the ways to write the table of runc in containerd's
// configuration; %s stands for the plugin's name, quoted, and O for its options.
func runtimeForms() map[string]string {
	return map[string]string{
		"headers, indented": "[plugins]\n  [plugins.%s]\n    [plugins.%s.cni]\n      bin_dir = \"/opt/cni/bin\"\n    [plugins.%s.containerd]\n      [plugins.%s.containerd.runtimes]\n        [plugins.%s.containerd.runtimes.runc]\n" +
			"          runtime_type = \"io.containerd.runc.v2\" # the shim\n          [plugins.%s.containerd.runtimes.runc.options] # its own\nO          BinaryName = \"\"\n\n[plugins.\"io.containerd.gc.v1.scheduler\"]\n  deletion_threshold = 0\n",
		"one header":      "# runc\n[ plugins . %s . containerd . runtimes . runc ]\nruntime_type = \"io.containerd.runc.v2\"\n\n# options\n[ plugins . %s . containerd . runtimes . runc . options ]\nO",
		"options first":   "[plugins.%s.containerd.runtimes.runc.options]\nO# end\n[plugins.%s.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n",
		"dotted keys":     "[plugins.%s]\ncontainerd.runtimes.runc.runtime_type = \"io.containerd.runc.v2\"\ncontainerd.runtimes.runc.options.BinaryName = \"\" # no other\nDcontainerd.runtimes.runc.options.\n",
		"dotted options":  "[plugins.%s.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\noptions.NoPivotRoot = false\nDoptions.\n[plugins.%s.cni]\nbin_dir = \"/opt/cni/bin\"\n",
		"inline options":  "[plugins.%s.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\noptions = { BinaryName = \"\"I }\n",
		"inline, empty":   "[plugins.%s.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\noptions = {J}\n",
		"inline runtime":  "[plugins.%s.containerd.runtimes]\nrunc = {runtime_type = \"io.containerd.runc.v2\", options = {BinaryName = \"\"I}} # all\n",
		"inline, no opts": "[plugins.%s.containerd.runtimes]\nrunc = {runtime_type = \"io.containerd.runc.v2\"}\n",
		"no runtime":      "[plugins.%s.cni]\n\tbin_dir = \"/opt/cni/bin\"\n[plugins.%s]\n\tsandbox_image = \"registry.k8s.io/pause:3.9\"\n",
		"no plugin":       "# nothing of it\noom_score = 0\n",
	}
}

// cgroupVariations are configurations of containerd that do not have the systemd
// driver.
func cgroupVariations() []variation {
	var all []variation
	for version, plugin := range map[int]string{1: "cri", 2: `"io.containerd.grpc.v1.cri"`, 3: `"io.containerd.cri.v1.runtime"`} {
		for name, form := range runtimeForms() {
			for _, value := range []string{"", "false"} {
				line := func(before string) string {
					if value == "" {
						return ""
					}
					return before + "SystemdCgroup = " + value
				}
				text := strings.ReplaceAll(form, "%s", plugin)
				text = regexp.MustCompile(`(?m)^O`).ReplaceAllString(text, strings.ReplaceAll(line("\t")+"\n", "$", "$$"))
				text = regexp.MustCompile(`(?m)^D(.*)$`).ReplaceAllStringFunc(text, func(s string) string { return line(s[1:]) })
				text = strings.Replace(strings.Replace(text, "I}", strings.Replace(line(", "), ", ", ", ", 1)+"}", 1), "I }",
					line(", ")+" }", 1)
				text = strings.Replace(text, "J", line(""), 1)
				if value != "" && !strings.Contains(text, "SystemdCgroup") {
					continue
				}
				if version > 1 {
					text = fmt.Sprintf("version = %d\n", version) + text
				}
				label := fmt.Sprintf("version %d, %s, %q", version, name, value)
				all = append(all, variation{label, text})
				if plugin != "cri" && value == "" {
					all = append(all, variation{label + ", single quotes", strings.NewReplacer(`"`, `'`).Replace(text)})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b variation) int { return strings.Compare(a.name, b.name) })
	return forms(all)
}

// disabledVariations switch the CRI plugin off.
func disabledVariations() []variation {
	const cri, other = "io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.zfs"
	var all []variation
	for name, list := range map[string]string{
		"one": `["C"]`, "blanks": `[ "C" ]`, "single quotes": `['C']`, "trailing comma": `["C",]`, "first": `["C", "X"]`, "last": `["X", "C"]`, "middle": `["X", 'C', "X2"]`,
		"lines": "[\n  \"C\",\n]", "lines, no comma": "[\n  \"C\"\n]", "lines, comments": "[ # off\n  # why?\n  \"C\", # Docker's\n  \"X\" # mine\n]",
		"comma on the next line": "[\n\"C\"\n, \"X\"]", "twice": `["C", "X", "C"]`, "a hash in another": `["X#1", "C"]`, "packed": `["X","C","X2"]`, "quotes of three": `["""C"""]`, "escaped": `["\u0069o.containerd.snapshotter.v1.btrfs", "C"]`,
	} {
		list = strings.NewReplacer("C", cri, "X", other).Replace(list)
		all = append(all, variation{name, "version = 2\ndisabled_plugins = " + list +
			"\nroot = \"/var/lib/containerd\"\n[plugins.\"" + cri + "\".containerd.runtimes.runc]\nruntime_type = " +
			"\"io.containerd.runc.v2\"\n[plugins.\"" + cri + "\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n"},
			variation{name + ", quoted key", "# mine\n\"version\" = 2\n\"disabled_plugins\" = " + list + " # end\n[plugins.'" +
				cri + "'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\noptions = {SystemdCgroup = true}\n"})
	}
	slices.SortFunc(all, func(a, b variation) int { return strings.Compare(a.name, b.name) })
	return forms(all)
}

// containerdJudges has containerd itself read files, where the program is
// installed: it has to take each of them, and start runc with the systemd driver.
// It returns how many were read.
func containerdJudges(t *testing.T, files []variation) int {
	t.Helper()
	if _, err := exec.LookPath("containerd"); err != nil {
		return 0
	}
	dir := t.TempDir()
	t.Run("containerd", func(t *testing.T) {
		for i, f := range files {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(dir, fmt.Sprint(i))
				require.NoError(t, os.WriteFile(path, []byte(f.text), 0o600))
				out, err := exec.Command("containerd", "--config", path, "config", "dump").CombinedOutput()
				require.NoError(t, err, "%s\n%s", out, f.text)
				if strings.Contains(f.text, "version = 3") {
					return // it is read, but counts for containerd 2 alone
				}
				runc := string(regexp.MustCompile(`(?ms)runtimes\.runc\]$.*?runtimes\.runc\.options\]$.*?^ *\[`).Find(out))
				assert.Contains(t, runc, `runtime_type = "io.containerd.runc.v2"`, f.text)
				assert.Contains(t, runc, "SystemdCgroup = true", f.text)
			})
		}
	})
	return len(files)
}

// differences are the keys whose values two decoded files do not share.
func differences(a, b any, path string) []string {
	x, is := a.(map[string]any)
	y, too := b.(map[string]any)
	if !is && !too {
		if fmt.Sprint(a) != fmt.Sprint(b) {
			return []string{path}
		}
		return nil
	}
	var all []string
	for key := range x {
		all = append(all, differences(x[key], y[key], path+"."+key)...)
	}
	for key := range y {
		if _, ok := x[key]; !ok {
			all = append(all, differences(nil, y[key], path+"."+key)...)
		}
	}
	return all
}

// oneChange reports whether a text is another with lines put in, or with one place
// changed: every other byte stays, in its order.
func oneChange(before, after string) bool {
	lines, at := strings.SplitAfter(before, "\n"), 0
	missing := 0
	for _, line := range lines {
		line = strings.TrimRight(line, "\r\n")
		n := strings.Index(after[at:], line)
		if n < 0 {
			missing++
			continue
		}
		at += n + len(line)
	}
	return missing <= 1
}

// TestContainerdVariations carries doctor's fixes out on every legal form of
// containerd's configuration, and has containerd judge the result.
func TestContainerdVariations(t *testing.T) {
	c := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
	var fixed []variation
	for _, group := range []struct {
		id, key string
		all     []variation
	}{{"cgroup-driver", "SystemdCgroup", cgroupVariations()}, {"containerd-config", "disabled_plugins", disabledVariations()}} {
		for _, v := range group.all {
			name := "/etc/containerd/config.toml"
			writeBelow(t, c.root, name, []byte(v.text))
			var before map[string]any
			require.NoError(t, toml.Unmarshal([]byte(v.text), &before), "%s:\n%s", v.name, v.text)
			out, errs, code := c.ask(t, "--fix", group.id)
			require.Zero(t, code, "%s: %s%s\n%s", v.name, out, errs, v.text)
			after, err := os.ReadFile(c.root + name)
			require.NoError(t, err)
			for _, f := range c.report(t).Findings {
				assert.True(t, f.Severity == "ok" || f.Severity == "info", "%s: %s: %s\n%s", v.name, f.ID, f.Seen, after)
			}
			assert.True(t, group.id != "cgroup-driver" || oneChange(v.text, string(after)), "%s:\n%s\n%s", v.name, v.text, after)
			if strings.Contains(v.text, "\r\n") {
				assert.Equal(t, strings.Count(string(after), "\n"), strings.Count(string(after), "\r\n"), v.name)
			}
			var tree map[string]any
			require.NoError(t, toml.Unmarshal(after, &tree), "%s:\n%s", v.name, after)
			for _, key := range differences(before, tree, "") {
				assert.Regexp(t, group.key+"$|runtime_type$", key, v.name)
			}
			fixed = append(fixed, variation{v.name, string(after)})
		}
		t.Logf("%s: %d files", group.id, len(group.all))
	}
	t.Logf("%d of them read by containerd itself", containerdJudges(t, fixed))
}

// daemonVariations are configurations of Docker without the systemd driver.
func daemonVariations() []variation {
	all := []variation{{"empty", "\n"}, {"blank", "  \n\n"}}
	for name, text := range map[string]string{
		"no key": "{}", "blanks": "{ }", "lines": "{\n}", "another key": "{\"log-driver\": \"json-file\"}", "lines and a key": "{\n  \"log-driver\": \"json-file\",\n  \"log-opts\": {\"max-size\": \"10m\", \"exec-opts\": [\"no\"]}\n}",
		"an empty list": "{\"exec-opts\": []}", "a list of blanks": "{\"exec-opts\": [ ], \"debug\": true}", "the other driver": "{\n\t\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"],\n\t\"ipv6\": false\n}",
		"another option": "{\"exec-opts\": [\"isolation=process\"]}", "several": "{ \"exec-opts\" : [ \"a=b\" ,\n \"native.cgroupdriver=cgroupfs\" , \"c=d\" ] }", "escaped": "{\"exec-opts\": [\"native.cgroup\\u0064river=cgroupfs\"], \"a\\\"b\": [[1, {\"x\": []}]]}",
		"lists around": "{\"dns\": [\"192.168.1.1\"], \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"], \"hosts\": [\"fd://\"]}", "last": "{\"debug\": true, \"data-root\": \"/mnt/ssd/docker\"}",
		"numbers": "{\"mtu\": 1450, \"max-concurrent-downloads\": 1e0, \"exec-opts\": [\"x=y\"]}", "a key of that name deeper": "{\"log-opts\": {\"exec-opts\": [\"native.cgroupdriver=systemd\"]}}",
	} {
		all = append(all, variation{name, text + "\n"})
	}
	slices.SortFunc(all, func(a, b variation) int { return strings.Compare(a.name, b.name) })
	return forms(all)
}

func TestDaemonVariations(t *testing.T) {
	c := layDown(t, filepath.Join(fieldFolder, "35-docker-cgroupfs.txtar"))
	for _, v := range daemonVariations() {
		writeBelow(t, c.root, "/etc/docker/daemon.json", []byte(v.text))
		out, errs, code := c.ask(t, "--fix", "cgroup-driver")
		require.Zero(t, code, "%s: %s%s\n%s", v.name, out, errs, v.text)
		after, err := os.ReadFile(c.root + "/etc/docker/daemon.json")
		require.NoError(t, err)
		var was, is map[string]any
		if len(bytes.TrimSpace([]byte(v.text))) > 0 {
			require.NoError(t, json.Unmarshal([]byte(v.text), &was), v.name)
		}
		require.NoError(t, json.Unmarshal(after, &is), "%s:\n%s", v.name, after)
		for _, key := range differences(was, is, "") {
			assert.Contains(t, []string{".exec-opts", ""}, key, "%s:\n%s", v.name, after)
		}
		assert.Contains(t, is["exec-opts"], "native.cgroupdriver=systemd")
		assert.True(t, oneChange(v.text, string(after)), "%s:\n%s\n%s", v.name, v.text, after)
		for _, f := range c.report(t).Findings {
			assert.False(t, f.ID == "cgroup-driver" && f.Severity != "ok", v.name)
		}
	}
	t.Logf("%d files", len(daemonVariations()))
}

// TestSysctlVariations: a file of the owner's sets the kernel's setting to 0, in
// one form or another.
func TestSysctlVariations(t *testing.T) {
	c := layDown(t, filepath.Join(fieldFolder, "00-healthy.txtar"))
	count := 0
	for _, path := range []string{"", "/etc/sysctl.conf", "/etc/sysctl.d/10-mine.conf", "/etc/sysctl.d/99-zz.conf",
		"/etc/sysctl.d/99-kubeadm-arm.conf", "/usr/lib/sysctl.d/50-x.conf"} {
		for _, v := range forms([]variation{
			{"plain", "net.ipv4.ip_forward=0\n"}, {"blanks", "# mine\n net.ipv4.ip_forward = 0 \nvm.swappiness = 10\n"},
			{"slashes", "vm.swappiness=10\nnet/ipv4/ip_forward=0\n"}, {"dash", "-net.ipv4.ip_forward = 0\n"}, {"twice", "net.ipv4.ip_forward=1\nnet.ipv4.ip_forward=0\n"},
			{"comments", "; old\n#net.ipv4.ip_forward=1\nnet.ipv4.ip_forward=0\nnet.ipv4.conf.all.rp_filter=1\n"},
		}) {
			count++
			writeBelow(t, c.root, "/proc/sys/net/ipv4/ip_forward", []byte("0\n"))
			for _, dir := range []string{"/etc/sysctl.d", "/etc/sysctl.conf", "/usr/lib/sysctl.d"} {
				require.NoError(t, os.RemoveAll(c.root+dir))
			}
			if path != "" {
				writeBelow(t, c.root, path, []byte(v.text))
			}
			for _, f := range c.report(t).Findings {
				if f.ID == "ip-forward" {
					for _, line := range f.Fix {
						c.paste(t, line)
					}
				}
			}
			for _, f := range c.report(t).Findings {
				assert.True(t, f.ID != "ip-forward" || f.Severity == "ok", "%s in %s: %s %v", v.name, path, f.Seen, f.Fix)
			}
			if strings.HasPrefix(path, "/usr") {
				text, err := os.ReadFile(c.root + path)
				require.NoError(t, err)
				assert.Equal(t, v.text, string(text), "a package's own file is left alone")
			} else if path != "" {
				text, err := os.ReadFile(c.root + path)
				require.NoError(t, err)
				assert.True(t, oneChange(strings.ReplaceAll(v.text, "=1\nnet", "=1\nnet"), string(text)) || strings.Contains(v.name,
					"twice"), "%s:\n%s\n%s", v.name, v.text, text)
			}
		}
	}
	t.Logf("%d files", count)
}
