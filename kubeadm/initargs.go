package kubeadm

import (
	"fmt"
	"strings"
)

// A Flag is one argument of `kubeadm init` as it was given.
type Flag struct {
	// Name is without dashes: "skip-phases", "v".
	Name  string
	Value string
	// Tokens are the words of the command line that make it up.
	Tokens []string
}

// InitArgs are the arguments of `kubeadm init`, in order, nothing lost.
type InitArgs struct {
	Flags []Flag
	// Words are the arguments that are not flags; `init` itself takes none,
	// `init phase …` does.
	Words []string
}

// takesNoValue lists the boolean flags of `kubeadm init` over all versions
// (cmd/options and klog); every other flag takes a value.
var takesNoValue = map[string]bool{
	"dry-run": true, "skip-token-print": true, "skip-certificate-key-print": true,
	"upload-certs": true, "experimental-upload-certs": true, "help": true, "h": true,
	"add-dir-header": true, "alsologtostderr": true, "logtostderr": true,
	"one-output": true, "skip-headers": true, "skip-log-headers": true,
}

// ParseInitArgs reads what follows `kubeadm init`. It follows pflag: --name
// value, --name=value, -v 5, -v=5, -v5. A flag that this program does not know
// keeps the word after it unless that word is a flag; so a newer kubeadm's flags
// pass through unchanged. It fails on a flag without its value only.
func ParseInitArgs(args []string) (InitArgs, error) {
	var a InitArgs
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			a.Words = append(a.Words, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			a.Words = append(a.Words, word)
			continue
		}
		f := Flag{Tokens: []string{word}}
		long := strings.HasPrefix(word, "--")
		name, value, has := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !long && len(name) > 1 && !has {
			name, value, has = name[:1], name[1:], true
		}
		f.Name, f.Value = name, value
		switch {
		case has:
		case takesNoValue[name]:
			f.Value = "true"
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			i++
			f.Value = args[i]
			f.Tokens = append(f.Tokens, args[i])
		case knownInitFlags[name]:
			return InitArgs{}, fmt.Errorf("flag --%s needs a value", name)
		}
		a.Flags = append(a.Flags, f)
	}
	return a, nil
}

// knownInitFlags are those flags with a value that some version of `kubeadm
// init` has.
var knownInitFlags = map[string]bool{
	"apiserver-advertise-address": true, "apiserver-bind-port": true, "apiserver-cert-extra-sans": true,
	"cert-dir": true, "certificate-key": true, "config": true, "control-plane-endpoint": true,
	"cri-socket": true, "feature-gates": true, "ignore-preflight-errors": true, "image-repository": true,
	"kubernetes-version": true, "node-name": true, "patches": true, "experimental-patches": true,
	"experimental-kustomize": true, "k": true, "pod-network-cidr": true, "service-cidr": true,
	"service-dns-domain": true, "skip-phases": true, "token": true, "token-ttl": true, "rootfs": true,
	"v": true, "vmodule": true, "log-file": true, "log-dir": true, "log-file-max-size": true,
	"log-backtrace-at": true, "stderrthreshold": true,
}

// Get returns the value of the last flag of that name, as pflag would.
func (a InitArgs) Get(name string) (string, bool) {
	for i := len(a.Flags) - 1; i >= 0; i-- {
		if a.Flags[i].Name == name {
			return a.Flags[i].Value, true
		}
	}
	return "", false
}

// List returns the values of a flag that may be given several times or with
// commas, as pflag's string slices do.
func (a InitArgs) List(name string) []string {
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

// Bool tells whether a boolean flag is set.
func (a InitArgs) Bool(name string) bool {
	v, ok := a.Get(name)
	return ok && v != "false" && v != "0" && v != "f" && v != "F" && v != "FALSE" && v != "False"
}

// Without returns the words of the command line less the flags named.
func (a InitArgs) Without(names ...string) []string {
	var words []string
next:
	for _, f := range a.Flags {
		for _, n := range names {
			if f.Name == n {
				continue next
			}
		}
		words = append(words, f.Tokens...)
	}
	return words
}

// KnownInitFlag tells whether some version of `kubeadm init` has that flag.
func KnownInitFlag(name string) bool { return knownInitFlags[name] || takesNoValue[name] }
