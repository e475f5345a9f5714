package kubeadm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A FlagSpec is a flag that a command takes.
type FlagSpec struct {
	// Name is without dashes: "skip-phases", "v".
	Name string
	// Short is the one letter that stands for it, 0 without one.
	Short byte
	// Switch is set for a flag that takes no value of its own word: --dry-run, or
	// --dry-run=false.
	Switch bool
}

// A Flag is one argument of a command as it was given.
type Flag struct {
	// Name is the flag's full name without dashes, also where its letter was given.
	Name string
	// Value of a switch without one is "true".
	Value string
	// Tokens are the words of the command line that make it up. Letters that were
	// given together, such as -hv5, are words of their own here: -h, -v5.
	Tokens []string
	// At is where they begin in the command line, counted from 0.
	At int
}

// Args are the arguments of `kubeadm init`, or of another command, in order,
// nothing lost.
type Args struct {
	Flags []Flag
	// Words are the arguments that are not flags; `init` itself takes none,
	// `init phase …` does.
	Words []string
	// FirstWord is the index of Words[0] in the command line, -1 without words.
	FirstWord int
}

// InitFlags are the flags of `kubeadm init` over all versions (cmd/options and
// klog).
func InitFlags() []FlagSpec {
	return append(specs(false,
		"apiserver-advertise-address", "apiserver-bind-port", "apiserver-cert-extra-sans", "cert-dir", "certificate-key",
		"config", "control-plane-endpoint", "cri-socket", "feature-gates", "ignore-preflight-errors", "image-repository",
		"kubernetes-version", "node-name", "patches", "experimental-patches", "experimental-kustomize/k",
		"pod-network-cidr", "service-cidr", "service-dns-domain", "skip-phases", "token", "token-ttl", "rootfs",
		"v/v", "vmodule", "log-file", "log-dir", "log-file-max-size", "log-backtrace-at", "stderrthreshold"),
		specs(true, "dry-run", "skip-token-print", "skip-certificate-key-print", "upload-certs", "experimental-upload-certs",
			"help/h",
			"add-dir-header", "alsologtostderr", "logtostderr", "one-output", "skip-headers", "skip-log-headers")...)
}

// OtherFlags are those that `kubeadm reset` and `kubeadm upgrade` have beside
// init's.
func OtherFlags() []FlagSpec {
	return append(specs(true, "allow-experimental-upgrades", "allow-missing-template-keys",
		"allow-release-candidate-upgrades", "certificate-renewal",
		"cleanup-tmp-dir", "etcd-upgrade", "force/f", "print-config", "show-managed-fields", "yes/y"),
		specs(false, "image-pull-timeout", "kubeconfig")...)
}

func specs(isSwitch bool, names ...string) []FlagSpec {
	var all []FlagSpec
	for _, n := range names {
		name, short, _ := strings.Cut(n, "/")
		s := FlagSpec{Name: name, Switch: isSwitch}
		if short != "" {
			s.Short = short[0]
		}
		all = append(all, s)
	}
	return all
}

// ParseArgs reads a command line as github.com/spf13/pflag does, which kubeadm's own
// is read with: a flag with a value takes the next word whatever it is, a switch
// never does; --name=value, -v5, -v=5, -hv5; switches are what strconv.ParseBool
// takes; after "--" there are only words. A flag that is not in the table keeps the
// word after it unless that begins with a dash, so a newer kubeadm's flags pass
// through unchanged. It fails where pflag would: on a flag without its value, on a
// switch with one that is neither true nor false, and on words such as "--="; then it
// returns what stands before.
func ParseArgs(args []string, known []FlagSpec) (Args, error) {
	p := parser{known: known, args: args, parsed: Args{FirstWord: -1}}
	for p.at < len(args) {
		word := args[p.at]
		p.word, p.at = p.at, p.at+1
		var err error
		switch {
		case word == "--":
			p.words(p.at, args[p.at:]...)
			p.at = len(args)
		case len(word) < 2 || word[0] != '-':
			p.words(p.word, word)
		case strings.HasPrefix(word, "--"):
			err = p.long(word)
		default:
			err = p.letters(word)
		}
		if err != nil {
			return p.parsed, err
		}
	}
	return p.parsed, nil
}

type parser struct {
	known  []FlagSpec
	args   []string
	at     int // the next word
	word   int // the one that is being read
	parsed Args
}

func (p *parser) words(at int, words ...string) {
	if p.parsed.FirstWord < 0 && len(words) > 0 {
		p.parsed.FirstWord = at
	}
	p.parsed.Words = append(p.parsed.Words, words...)
}

func (p *parser) find(is func(FlagSpec) bool) (FlagSpec, bool) {
	i := slices.IndexFunc(p.known, is)
	if i < 0 {
		return FlagSpec{}, false
	}
	return p.known[i], true
}

// long reads --name and --name=value.
func (p *parser) long(word string) error {
	name, value, has := strings.Cut(word[2:], "=")
	if name == "" || name[0] == '-' {
		return fmt.Errorf("%q is not a flag", word)
	}
	spec, known := p.find(func(s FlagSpec) bool { return s.Name == name })
	if !known {
		spec.Name = name
	}
	f := Flag{Name: name, Value: value, Tokens: []string{word}}
	return p.add(f, spec, known, has, word)
}

// letters reads -v5, -v=5, -v 5 and -hv5.
func (p *parser) letters(word string) error {
	for rest := word[1:]; rest != ""; {
		letter := rest[0]
		spec, known := p.find(func(s FlagSpec) bool { return s.Short == letter && letter != 0 })
		f := Flag{Name: spec.Name, Tokens: []string{"-" + rest}}
		switch {
		case letter == '=' || letter == '-':
			return fmt.Errorf("%q is not a flag", word)
		case len(rest) > 2 && rest[1] == '=':
			f.Value, rest = rest[2:], ""
		case !known: // what follows a letter of unknown meaning may be its value
			f.Name, f.Value = rest[:1], rest[1:]
			return p.add(f, spec, false, len(rest) > 1, word)
		case spec.Switch:
			f.Value, f.Tokens, rest = "true", []string{"-" + rest[:1]}, rest[1:]
		case len(rest) > 1:
			f.Value, rest = rest[1:], ""
		default:
			return p.add(f, spec, true, false, word)
		}
		if !known {
			f.Name = string(letter)
		}
		if err := p.add(f, spec, known, true, word); err != nil {
			return err
		}
	}
	return nil
}

// add appends a flag. has says that it has its value already.
func (p *parser) add(f Flag, spec FlagSpec, known, has bool, word string) error {
	next := p.at < len(p.args)
	switch {
	case has:
	case spec.Switch:
		f.Value = "true"
	case next && (known || !strings.HasPrefix(p.args[p.at], "-")):
		f.Value = p.args[p.at]
		f.Tokens = append(f.Tokens, f.Value)
		p.at++
	case known:
		return fmt.Errorf("flag %s needs a value", word)
	}
	if spec.Switch {
		if _, err := strconv.ParseBool(f.Value); err != nil {
			return fmt.Errorf("flag --%s: %q is neither true nor false", spec.Name, f.Value)
		}
	}
	f.At = p.word
	p.parsed.Flags = append(p.parsed.Flags, f)
	return nil
}

// Get returns the value of the last flag of that name, as pflag would.
func (a Args) Get(name string) (string, bool) {
	for i := len(a.Flags) - 1; i >= 0; i-- {
		if a.Flags[i].Name == name {
			return a.Flags[i].Value, true
		}
	}
	return "", false
}

// List returns the values of a flag that may be given several times or with
// commas, as pflag's string slices do.
func (a Args) List(name string) []string {
	var all []string
	for _, f := range a.Flags {
		if f.Name != name {
			continue
		}
		for _, v := range strings.Split(f.Value, ",") {
			if v = strings.TrimSpace(v); v != "" {
				all = append(all, v)
			}
		}
	}
	return all
}

// Bool reports whether a switch is on.
func (a Args) Bool(name string) bool {
	v, _ := a.Get(name)
	on, err := strconv.ParseBool(v)
	return err == nil && on
}

// Without returns the words of the command line less the flags named and less what
// is not a flag.
func (a Args) Without(names ...string) []string {
	var words []string
	for _, f := range a.Flags {
		if !slices.Contains(names, f.Name) {
			words = append(words, f.Tokens...)
		}
	}
	return words
}
