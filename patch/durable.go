package patch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Durable writes changes down as patches that kubeadm applies by itself when it
// is given their folder (`kubeadm init|upgrade --patches`), so that an upgrade,
// which writes the manifests anew, keeps them. It returns the files' texts by
// name; a component without changes has none. Probes and flags become a JSON
// patch: one that no longer fits a future manifest stops the upgrade, where a
// merge would make a probe that asks nothing. A flag is put behind the others,
// since the last one counts. Environment variables are merged by name.
func Durable(component string, changes []Change) map[string][]byte {
	var operations, env strings.Builder
	for _, c := range changes {
		switch t := c.Target; {
		case c.Kept || t.Component != component:
		case t.Probe != "":
			writeOperation(&operations, c, operation{"add", "/spec/containers/0/" + t.Probe + "/" + t.Field, wholeNumber(c.New)})
		case t.Flag != "":
			writeOperation(&operations, c, operation{"add", "/spec/containers/0/command/-", "--" + t.Flag + "=" + c.New})
		case t.Variable != "":
			text, err := yaml.Marshal([]map[string]string{{"name": t.Variable, "value": c.New}})
			if err == nil {
				fmt.Fprintf(&env, "    # %s\n    %s\n", c.Reason, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n",
					"\n    "))
			}
		}
	}
	files := map[string][]byte{}
	if operations.Len() > 0 {
		files[component+durableSuffix+"+json.yaml"] = []byte(durableHead + operations.String())
	}
	if env.Len() > 0 {
		files[component+durableSuffix+"+strategic.yaml"] = []byte(durableHead + "spec:\n  containers:\n  - name: " +
			component + "\n    env:\n" + env.String())
	}
	return files
}

// durableSuffix marks our files in a folder of patches.
const durableSuffix = "-kubeadm-arm"

const durableHead = "# Written by kubeadm-arm for this board. kubeadm applies it when it is given\n# the folder with " +
	"--patches; kubeadm-arm upgrade does that by itself.\n"

// wholeNumber gives a probe field its type back.
func wholeNumber(text string) any {
	var n int32
	if _, err := fmt.Sscan(text, &n); err != nil {
		return text
	}
	return n
}

// writeOperation adds an operation with its reason.
func writeOperation(b *strings.Builder, c Change, o operation) {
	text, err := yaml.Marshal([]operation{o})
	if err != nil {
		panic(err) // three texts and a number
	}
	fmt.Fprintf(b, "# %s\n%s", c.Reason, text)
}

// Yield takes out of our patches what the owner's patches set too, since the
// owner's value wins whichever kubeadm applies last. It returns our files
// without that, and a line for each conflict.
func Yield(ours map[string][]byte, owner Owned) (kept map[string][]byte, conflicts []string, err error) {
	kept = map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		m := patchFile.FindStringSubmatch(name)
		if m == nil {
			return nil, nil, fmt.Errorf("merge patches: %s is not a patch of kubeadm-arm's", name)
		}
		before := len(conflicts)
		var rest any
		if m[2] == "json" {
			rest, conflicts, err = yieldOperations(m[1], ours[name], owner, conflicts)
		} else {
			rest, conflicts, err = yieldEnv(m[1], ours[name], owner, conflicts)
		}
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		case len(conflicts) == before:
			kept[name] = ours[name]
		case rest != nil:
			text, err := yaml.Marshal(rest)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			kept[name] = append([]byte(durableHead), text...)
		}
	}
	return kept, conflicts, nil
}

func yieldOperations(component string, text []byte, owner Owned, conflicts []string) (any, []string, error) {
	var all, rest []operation
	if err := fromYAML(text, &all); err != nil {
		return nil, nil, err
	}
	for _, o := range all {
		path := strings.Split(o.Path, "/")
		what, file := o.Path, ""
		if word, ok := o.Value.(string); ok && path[4] == "command" {
			name, _, _ := flagOf(word)
			what, file = "--"+name, owner.Flag(component, name)
		} else if len(path) == 6 {
			what, file = path[4]+"."+path[5], owner.Field(component, path[4], path[5])
		}
		if file != "" {
			conflicts = append(conflicts, conflict(component, what, file))
			continue
		}
		rest = append(rest, o)
	}
	if len(rest) == 0 {
		return nil, conflicts, nil
	}
	return rest, conflicts, nil
}

func yieldEnv(component string, text []byte, owner Owned, conflicts []string) (any, []string, error) {
	type container struct {
		Name string              `json:"name"`
		Env  []map[string]string `json:"env"`
	}
	type spec struct {
		Containers []container `json:"containers"`
	}
	var pod struct {
		Spec spec `json:"spec"`
	}
	if err := fromYAML(text, &pod); err != nil {
		return nil, nil, err
	}
	var rest []map[string]string
	for _, c := range pod.Spec.Containers {
		for _, v := range c.Env {
			if file := owner.Env(component, v["name"]); file != "" {
				conflicts = append(conflicts, conflict(component, v["name"], file))
				continue
			}
			rest = append(rest, v)
		}
	}
	if len(rest) == 0 {
		return nil, conflicts, nil
	}
	pod.Spec.Containers = []container{{component, rest}}
	return pod, conflicts, nil
}

func conflict(component, what, file string) string {
	return fmt.Sprintf("%s: %s is set by %s, which wins", component, what, file)
}
