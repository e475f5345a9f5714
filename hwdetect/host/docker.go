package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// DockerConfig is what counts in Docker's configuration.
type DockerConfig struct {
	// Problem says why daemon.json cannot be read; Docker cannot either.
	Problem *FileProblem `json:"problem,omitempty"`
	// CgroupDriver is "systemd" or "cgroupfs"; empty when it is not set, which
	// means cgroupfs on cgroup v1 and systemd on cgroup v2.
	CgroupDriver string `json:"cgroupDriver,omitempty"`
	// FlagIn is the file that gives dockerd --exec-opt, empty without one. Docker does
	// not start with options both there and in daemon.json (moby, config.go,
	// findConfigurationConflicts).
	FlagIn string `json:"flagIn,omitempty"`
	// options is set when daemon.json has exec-opts.
	options bool
}

// DockerConfigPath is dockerd's configuration file (dockerd(8)).
const DockerConfigPath = "/etc/docker/daemon.json"

// readDockerConfig reads daemon.json and the command line of Docker's unit.
func readDockerConfig(f files) DockerConfig {
	c := parseDockerConfig(f.Read(DockerConfigPath))
	u := readUnit(f, "docker.service")
	words := u.command(f)
	var options []string
	for i, word := range words {
		if option, ok := strings.CutPrefix(word, "--exec-opt="); ok {
			options = append(options, option)
		} else if word == "--exec-opt" && i+1 < len(words) {
			options = append(options, words[i+1])
		}
	}
	if len(options) == 0 {
		return c
	}
	c.FlagIn = u.sets(f, "exec-opt")
	if c.options && c.Problem == nil {
		c.Problem = &FileProblem{Path: DockerConfigPath, Text: "exec-opts is set here, and as --exec-opt in " + c.FlagIn,
			Fix: "remove one of the two: Docker takes either"}
	}
	if driver := cgroupDriver(options); driver != "" {
		c.CgroupDriver = driver
	}
	return c
}

// cgroupDriver is the driver that Docker takes from its options: the first one that
// names any counts (moby, daemon_unix.go, getCD).
func cgroupDriver(options []string) string {
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		if strings.EqualFold(strings.TrimSpace(key), "native.cgroupdriver") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// parseDockerConfig reads daemon.json. Docker does without a byte order mark since
// v23.0, and refuses a key that it does not know: unlike Go it tells capitals apart.
func parseDockerConfig(text []byte) DockerConfig {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if len(bytes.TrimSpace(text)) == 0 { // dockerd takes it for {}
		return DockerConfig{}
	}
	var keys map[string]json.RawMessage
	var doc struct {
		ExecOpts []string `json:"exec-opts"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		return DockerConfig{Problem: jsonProblem(DockerConfigPath, text, err)}
	}
	for key := range keys {
		if strings.EqualFold(key, "exec-opts") && key != "exec-opts" {
			return DockerConfig{Problem: &FileProblem{Path: DockerConfigPath,
				Text: fmt.Sprintf("%q has to be written \"exec-opts\"", key)}}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return DockerConfig{Problem: jsonProblem(DockerConfigPath, text, err)}
	}
	return DockerConfig{CgroupDriver: cgroupDriver(doc.ExecOpts), options: keys["exec-opts"] != nil}
}
