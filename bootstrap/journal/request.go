package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Request names what the owner asked for without holding any of it: a SHA-256
// for each flag by name, and for the text of the configuration. A bootstrap token
// or certificate key is far too long to be guessed from its hash.
type Request map[string]string

// The parts of a request that are not flags.
const (
	configText = "the text of the --config file"
	otherWords = "what is no flag"
)

// RequestOf hashes arguments and the text of the --config file.
func RequestOf(args kubeadm.Args, config []byte) Request {
	r := Request{}
	for _, f := range args.Flags {
		switch f.Name {
		case "v", "vmodule", "ignore-preflight-errors":
			// Verbosity and ignored checks may change: after a failed preflight check a run
			// is repeated with another value.
			continue
		}
		r["--"+f.Name] = hash(r["--"+f.Name], f.Value)
	}
	if len(args.Words) > 0 {
		r[otherWords] = hash(args.Words...)
	}
	if config != nil {
		r[configText] = hash(string(config))
	}
	return r
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%q", p)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Changed names in words what differs between two requests.
func (r Request) Changed(now Request) []string {
	var all []string
	for name, was := range r {
		switch is, ok := now[name]; {
		case !ok:
			all = append(all, name+" is missing")
		case is != was:
			all = append(all, name+" has changed")
		}
	}
	for name := range now {
		if _, ok := r[name]; !ok {
			all = append(all, name+" is new")
		}
	}
	slices.Sort(all)
	return all
}

// KeepArgs splits a command's arguments into those that may be kept in a file and
// the names of the flags that may not. The value of a
// flag that this program does not know may be secret, so it is not kept.
func KeepArgs(v kubeadm.Verb, args kubeadm.Args) (kept, omitted []string) {
	for _, f := range args.Flags {
		if kubeadm.IsSecret(f.Name) || !v.Knows(f.Name) {
			if !slices.Contains(omitted, f.Name) {
				omitted = append(omitted, f.Name)
			}
			continue
		}
		kept = append(kept, f.Tokens...)
	}
	return append(kept, args.Words...), omitted
}

// Resumable returns the arguments with which a journal's run goes on. Secrets
// are not in the journal; where kubeadm gets a configuration they stand in its
// copy, and otherwise only the owner has them.
func (j *Journal) Resumable(l state.Layout) (kubeadm.Args, error) {
	if missing := j.missing(l); len(missing) > 0 {
		return kubeadm.Args{}, state.Refuse(state.BadJournal,
			fmt.Errorf("the interrupted %s had --%s, whose value is not kept in any file", j.Plan.Command,
				strings.Join(missing, ", --")),
			"repeat the same kubeadm-arm "+string(j.Plan.Command)+" with all its flags to go on")
	}
	return j.Plan.Command.Parse(j.Args)
}

func (j *Journal) missing(l state.Layout) []string {
	if j.Plan.Config == nil || !durable.Exists(l.ConfigCopy()) {
		return j.Omitted
	}
	var all []string
	for _, name := range j.Omitted {
		if !kubeadm.IsSecret(name) {
			all = append(all, name)
		}
	}
	return all
}

// RequestAgain is the request of a run that goes on with a journal's own
// arguments. Those that the journal does not hold cannot have changed.
func (j *Journal) RequestAgain(now Request) Request {
	all := Request{}
	for name, hash := range now {
		all[name] = hash
	}
	for _, name := range j.Omitted {
		if was, ok := j.Request["--"+name]; ok {
			all["--"+name] = was
		}
	}
	return all
}
