package main

import (
	"fmt"
	"strconv"
	"strings"
)

// versions are the kubeadms whose manifests are kept: the one of the article
// that this project began with, then a late patch release of every minor, the
// last one where all its modules were to be had.
func versions() []string {
	return []string{
		"v1.13.1", "v1.14.10", "v1.15.12", "v1.16.15", "v1.17.17", "v1.18.19", "v1.19.16", "v1.20.15", "v1.21.14",
		"v1.22.17", "v1.23.17", "v1.24.17", "v1.25.4", "v1.26.3", "v1.27.4", "v1.28.15", "v1.29.15", "v1.30.3",
		"v1.31.4", "v1.32.3", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3", "v1.37.2",
	}
}

// minorOf is 37 for v1.37.2.
func minorOf(version string) (int, error) {
	parts := strings.Split(version, ".")
	if len(parts) != 3 || parts[0] != "v1" {
		return 0, fmt.Errorf("version %q: want the form v1.37.2", version)
	}
	return strconv.Atoi(parts[1])
}
