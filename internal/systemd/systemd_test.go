package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
)

func TestWord(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "plain": "plain", "--x=/a:b,c": "--x=/a:b,c", "@x": `"@x"`, "two words": `"two words"`, "é": `"é"`, "100%": `"100%%"`, "$HOME": `"$HOME"`,
		`a"b'c\d`: `"a\"b'c\\d"`, "a\nExecStart=/bin/sh": `"a\x0aExecStart=/bin/sh"`, ";": `";"`, "\\": `"\\"`,
	} {
		got, err := Word(in)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, in := range []string{"\xff", "a\x00b"} {
		_, err := Word(in)
		assert.Error(t, err, "%q", in)
	}
}

func TestCommandLine(t *testing.T) {
	got, err := CommandLine("/opt/my tools/k%arm", "storage", "guard", "/mnt/a b", "$x%n", ";")
	require.NoError(t, err)
	assert.Equal(t, `"/opt/my tools/k%%arm" storage guard "/mnt/a b" "$$x%%n" ";"`, got)
	for _, program := range []string{"relative", "", "/a'b", `/a"b`, `/a\b`, "/a\nb", "/a$b", "/a\xffb"} {
		_, err := CommandLine(program)
		assert.Error(t, err, "%q", program)
	}
}

// TestSystemdReads has systemd itself read lines with everything that it could take
// for something else, where it is installed.
func TestSystemdReads(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd-analyze here to read the unit")
		return
	}
	dir := t.TempDir()
	line, err := CommandLine("/bin/true", "a b", `q"'\`, "%", "%n%", "$", "${x}", ";", "\n[Install]\nx=y", "-", "", "\\\n")
	require.NoError(t, err)
	word, err := Word("a b%\n\\\"=")
	require.NoError(t, err)
	unit := filepath.Join(dir, "kubeadm-arm-try.service")
	verify := func(text string) string {
		require.NoError(t, os.WriteFile(unit, []byte(text), 0o644))
		out, _ := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
		return string(out)
	}
	assert.NotEmpty(t, verify("[Service]\nExecStart=/bin/true %n\nEnvironment=\"A=\\q\nEnvironment=x%\n"),
		"a wrong line is named")
	assert.NotContains(t, verify("[Service]\nType=oneshot\nExecStart="+line+"\nEnvironment="+strings.Replace(word, `"`, `"A=`, 1)+"\n"), "kubeadm-arm-try")
}

func TestPathUnit(t *testing.T) {
	for in, want := range map[string]string{
		"/": "-.mount", "": "-.mount", "/var/lib/etcd": "var-lib-etcd.mount", "/mnt/a b/": `mnt-a\x20b.mount`, "/mnt//x/../y": "mnt-y.mount",
		"/.hidden/.x": `\x2ehidden-.x.mount`, "/a-b": `a\x2db.mount`, `/a\b`: `a\x5cb.mount`, "/é": `\xc3\xa9.mount`, "/50%": `50\x25.mount`,
	} {
		assert.Equal(t, want, PathUnit(in, "mount"), in)
		if escape, err := exec.LookPath("systemd-escape"); err == nil && in != "" {
			out, err := exec.Command(escape, "--path", "--suffix=mount", "--", in).Output()
			if err == nil { // it refuses paths that are not clean
				assert.Equal(t, want, strings.TrimSpace(string(out)), in)
			}
		}
	}
}

func TestTrustedProgram(t *testing.T) {
	roottest.Need(t, "only root's files are trusted")
	// t.TempDir lies in /tmp, which is nobody's.
	dir, err := os.MkdirTemp("/opt", "kubeadm-arm-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	folder := filepath.Join(dir, "bin")
	program := filepath.Join(folder, "kubeadm-arm")
	fresh := func() {
		require.NoError(t, os.RemoveAll(folder))
		require.NoError(t, os.Mkdir(folder, 0o755))
		require.NoError(t, os.WriteFile(program, nil, 0o755))
	}
	fresh()
	got, err := TrustedProgram(program)
	require.NoError(t, err)
	assert.Equal(t, program, got)
	require.NoError(t, os.Symlink(program, filepath.Join(t.TempDir(), "link")))
	for name, change := range map[string]func() error{
		"can be written to by others than root (mode 0775)": func() error { return os.Chmod(folder, 0o775) },
		"can be written to by others than root (mode 0777)": func() error { return os.Chmod(folder, os.ModeSticky|0o777) },
		"can be written to by others than root (mode 0757)": func() error { return os.Chmod(program, 0o757) },
		"belongs to user 65534":                             func() error { return os.Chown(program, 65534, 0) },
		"belongs to user 65533":                             func() error { return os.Chown(folder, 65533, 0) },
		"is not a program":                                  func() error { return os.Chmod(program, 0o644) },
		"cannot be found":                                   func() error { return os.Remove(program) },
	} {
		fresh()
		require.NoError(t, change())
		_, err := TrustedProgram(program)
		var untrusted *UntrustedError
		require.ErrorAs(t, err, &untrusted, name)
		assert.ErrorContains(t, err, name)
		assert.Contains(t, untrusted.Hint(), "/usr/local/bin")
	}
	fresh()
	require.NoError(t, os.Chmod(folder, 0o775))
	assert.Equal(t, dir, installFolder(folder, dir), "a hint does not lead to the next refusal")
	assert.Equal(t, dir, installFolder(dir, folder))
	fresh()
	link := filepath.Join(t.TempDir(), "kubeadm-arm")
	require.NoError(t, os.Symlink(program, link))
	got, err = TrustedProgram(link)
	require.NoError(t, err)
	assert.Equal(t, program, got, "what a link in /tmp leads to is written, not the link")
	quoted := filepath.Join(folder, "it's")
	require.NoError(t, os.WriteFile(quoted, nil, 0o755))
	_, err = TrustedProgram(quoted)
	assert.ErrorContains(t, err, "cannot stand in a unit")
}

func FuzzWord(f *testing.F) {
	f.Add("a b\"\\%$\n")
	f.Fuzz(func(t *testing.T, s string) {
		word, err := Word(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(word, "\n\r\x00") {
			t.Fatalf("%q would end the line: %q", s, word)
		}
		if word == s {
			if strings.ContainsAny(s, " \"'\\%$;\t") || s == "" {
				t.Fatalf("%q needs quotes", s)
			}
			return
		}
		inner := word[1 : len(word)-1]
		// What systemd does: specifiers last, escapes first (extract-word.c).
		unescaped := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(hexes(inner))
		if got := strings.ReplaceAll(unescaped, "%%", "%"); got != s {
			t.Fatalf("%q is read as %q", s, got)
		}
	})
}

// hexes undoes \xNN of a control character; a doubled backslash is none.
func hexes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], `\\`):
			b.WriteString(`\\`)
			i++
		case strings.HasPrefix(s[i:], `\x`):
			var c byte
			for _, d := range []byte(s[i+2 : i+4]) {
				c = c<<4 | byte(strings.IndexByte("0123456789abcdef", d))
			}
			b.WriteByte(c)
			i += 3
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
