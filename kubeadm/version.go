package kubeadm

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a Kubernetes version, such as v1.37.2. The zero value stands for
// "not known" and prints as "unknown".
type Version struct {
	Major, Minor, Patch int
	// Suffix is what follows the patch number, with its sign: "-rc.0",
	// "+k3s1", "-1+b2". It never takes part in comparisons.
	Suffix string
}

// ParseVersion reads the forms in which kubeadm prints and accepts a version:
// "v1.37.2", "1.13.1", "v1.38.0-alpha.1+5d3f". Anything else is an error.
func ParseVersion(s string) (Version, error) {
	text := strings.TrimPrefix(strings.TrimSpace(s), "v")
	var v Version
	if i := strings.IndexAny(text, "-+"); i >= 0 {
		text, v.Suffix = text[:i], text[i:]
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("parse Kubernetes version %q: want the form v1.37.2", s)
	}
	for i, into := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 || strings.HasPrefix(parts[i], "+") {
			return Version{}, fmt.Errorf("parse Kubernetes version %q: %q is not a number", s, parts[i])
		}
		*into = n
	}
	return v, nil
}

func (v Version) String() string {
	if v == (Version{}) {
		return "unknown"
	}
	return fmt.Sprintf("v%d.%d.%d%s", v.Major, v.Minor, v.Patch, v.Suffix)
}

// Compare orders by major, minor and patch number: negative when v is older
// than w, zero when they are the same release, positive when v is newer.
func (v Version) Compare(w Version) int {
	switch {
	case v.Major != w.Major:
		return v.Major - w.Major
	case v.Minor != w.Minor:
		return v.Minor - w.Minor
	default:
		return v.Patch - w.Patch
	}
}

// Behind is how many minor versions v is older than w, negative when it is newer. A major
// version counts as a thousand minor ones.
func (v Version) Behind(w Version) int { return 1000*(w.Major-v.Major) + w.Minor - v.Minor }

// IsExact reports whether text names one release, such as "v1.37.2", and not a
// label such as "stable-1" that kubeadm looks up.
func IsExact(text string) bool {
	_, err := ParseVersion(text)
	return err == nil
}
