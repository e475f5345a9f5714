package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
)

// cacheDir is where downloads, builds and boards are kept: outside every
// checkout, so that a second run starts in seconds.
func cacheDir() (string, error) {
	if dir := os.Getenv("KUBEADM_ARM_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kubeadm-arm"), nil
	}
	home := os.Getenv("HOME")
	if home == "" {
		// Continuous integration often has no HOME.
		u, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		home = u.HomeDir
	}
	return filepath.Join(home, ".cache", "kubeadm-arm"), nil
}

// folder makes and returns a folder below the cache.
func folder(parts ...string) (string, error) {
	base, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{base}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return dir, nil
}
