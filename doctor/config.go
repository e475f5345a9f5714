package doctor

import (
	"cmp"
	"fmt"
	"strings"
)

// flagValues names a flag whose value kubeadm refuses. What it refuses in a file is an
// error of its own, before anything is looked at.
func flagValues(f Facts) []Finding {
	bad := f.Ask.Flags.BadFlag(f.Kubeadm)
	if bad == nil {
		return nil
	}
	return one(Finding{
		ID: "flag-values", Severity: Fail, Rule: KubeadmRule, Seen: bad.Error(),
		Means: "kubeadm stops at it before its preflight",
	})
}

// configFields names the fields of the configuration that kubeadm does not have.
// It warns and goes on without them; where such a field was meant to be one that
// a cluster keeps for good, that is too late to notice.
func configFields(f Facts) []Finding {
	if len(f.Ask.Unknown) == 0 {
		return nil
	}
	found := Finding{ID: "config-fields", Severity: Warning, Rule: OwnRule}
	var seen, kept []string
	for _, u := range f.Ask.Unknown {
		where := fmt.Sprintf("%s:%d", f.Ask.ConfigFile, u.Line)
		if u.Lasting {
			found.Severity = Fail
			kept = append(kept, cmp.Or(u.Nearest, u.Path))
		}
		if u.Elsewhere != "" {
			seen = append(seen, where+": "+u.Path+" (it belongs into the document of kind "+u.Elsewhere+")")
			found.Fix = append(found.Fix, "# move "+u.Path+" from "+where+" into the document of kind "+u.Elsewhere)
			continue
		}
		if u.Nearest == "" {
			seen = append(seen, where+": "+u.Path)
			found.Fix = append(found.Fix, "# take "+u.Path+" out of "+where)
			continue
		}
		seen = append(seen, where+": "+u.Path+" (probably "+u.Nearest+")")
		found.Fix = append(found.Fix, "# "+where+": write "+last(u.Nearest)+" for "+last(u.Path))
	}
	found.Seen = "unknown fields: " + strings.Join(seen, ", ")
	found.Means = "kubeadm warns of them and goes on without them"
	if len(kept) > 0 {
		found.Means += "; the cluster keeps what it is given for " + strings.Join(kept, ", ") + ": it cannot be " +
			"set later"
	}
	return []Finding{found}
}

// last is the last part of a field's path.
func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
