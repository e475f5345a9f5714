package hwdetect

import (
	"bytes"
	"encoding/json"
	"strings"
)

// DockerConfig is what counts in Docker's configuration.
type DockerConfig struct {
	// Problem says why daemon.json cannot be read; Docker cannot either.
	Problem string `json:"problem,omitempty"`
	// CgroupDriver is "systemd" or "cgroupfs"; empty when it is not set, which
	// means cgroupfs on cgroup v1 and systemd on cgroup v2.
	CgroupDriver string `json:"cgroupDriver,omitempty"`
}

// DockerConfigPath is dockerd's configuration file (dockerd(8)).
const DockerConfigPath = "/etc/docker/daemon.json"

// readDockerConfig reads daemon.json and the command line of Docker's unit.
func readDockerConfig(f files) DockerConfig {
	c := parseDockerConfig(f.read(DockerConfigPath))
	words := readUnit(f, "docker.service").command(f)
	for i, word := range words {
		option, ok := strings.CutPrefix(word, "--exec-opt=")
		if word == "--exec-opt" && i+1 < len(words) {
			option, ok = words[i+1], true
		}
		if driver, is := strings.CutPrefix(option, "native.cgroupdriver="); ok && is {
			c.CgroupDriver = driver
		}
	}
	return c
}

func parseDockerConfig(text []byte) DockerConfig {
	var doc struct {
		ExecOpts []string `json:"exec-opts"`
	}
	if len(bytes.TrimSpace(text)) == 0 { // dockerd takes it for {}
		return DockerConfig{}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return DockerConfig{Problem: err.Error()}
	}
	var c DockerConfig
	for _, option := range doc.ExecOpts {
		if driver, ok := strings.CutPrefix(option, "native.cgroupdriver="); ok {
			c.CgroupDriver = driver
		}
	}
	return c
}
