//go:build !arm

package main

import "runtime"

// finitModule is not in package syscall (the kernel's unistd.h of each CPU).
var finitModule = map[string]uintptr{"arm64": 273, "amd64": 313}[runtime.GOARCH]
