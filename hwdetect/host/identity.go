package host

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Identity is one thing that has to differ between two boards of a cluster, and
// does not when their cards were copied.
type Identity struct {
	// Name is "machine-id", "product_uuid" or "ssh-host-key".
	Name string `json:"name"`
	Path string `json:"path"`
	// State is "set", "empty" (it is made at the next start), "missing" or
	// "default" (a value that makers leave in many boards).
	State string `json:"state"`
	// Fingerprint is eight hexadecimal digits that are equal on two boards with
	// the same value and do not tell the value. Empty unless State is "set" or
	// "default".
	Fingerprint string `json:"fingerprint,omitempty"`
}

// readIdentities reads what copied cards share. product_uuid is the PC's; boards
// have none, and then the kubelet takes the machine-id for it.
func readIdentities(f files) []Identity {
	all := []Identity{identity("machine-id", "/etc/machine-id", f.Line("/etc/machine-id"), f.Exists("/etc/machine-id"))}
	if uuid := f.Line("/sys/class/dmi/id/product_uuid"); uuid != "" {
		all = append(all, identity("product_uuid", "/sys/class/dmi/id/product_uuid", uuid, true))
	}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		path := "/etc/ssh/ssh_host_" + kind + "_key.pub"
		if w := strings.Fields(f.Line(path)); len(w) >= 2 {
			if _, err := base64.StdEncoding.DecodeString(w[1]); err == nil {
				all = append(all, identity("ssh-host-key", path, w[1], true))
				break
			}
		}
	}
	return all
}

func identity(name, path, value string, there bool) Identity {
	i := Identity{Name: name, Path: path, State: "set"}
	switch {
	case !there:
		i.State = "missing"
		return i
	case value == "" || value == "uninitialized":
		i.State = "empty" // machine-id(5)
		return i
	case isDefaultID(value):
		i.State = "default"
	}
	// Eight digits tell boards of a home apart; that 32 bits do not tell an
	// identifier of 128 is the point.
	sum := sha256.Sum256([]byte("kubeadm-arm " + name + "\n" + strings.ToLower(value)))
	i.Fingerprint = fmt.Sprintf("%x", sum[:4])
	return i
}

// isDefaultID knows values that are no identity: one digit throughout, and the
// counting ones that board makers' firmware tools leave in.
func isDefaultID(value string) bool {
	digits := strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == ':' {
			return -1
		}
		return r
	}, value))
	switch digits {
	case "03000200040005000006000700080009", "00020003000400050006000700080009", "0123456789abcdef0123456789abcdef",
		"12345678123456781234567812345678":
		return true
	}
	return digits != "" && strings.Trim(digits, digits[:1]) == ""
}
