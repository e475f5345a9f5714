// Command guest is lab's program on an emulated board. As the first program of a
// root file system in memory it either runs the commands that it finds in
// /commands.json, reports on the console how they went and switches the board off,
// or, if there is /disk.json, goes on with the board's disk. On such a disk's
// system it is a service that runs what lab run sends.
//
// It is built where lab runs and uses the standard library only.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	switch {
	case os.Getpid() != 1 && len(os.Args) == 2 && os.Args[1] == "serve":
		fmt.Fprintln(os.Stderr, "guest:", serve())
		os.Exit(1)
	case os.Getpid() != 1 && len(os.Args) == 2 && os.Args[1] == "usage":
		end(printUsage())
	case os.Getpid() != 1 && len(os.Args) == 3 && os.Args[1] == "seed":
		end(seed(os.Args[2]))
	case os.Getpid() != 1 && len(os.Args) > 2 && os.Args[1] == "stall":
		end(stall(os.Args[2:]))
	case os.Getpid() != 1:
		fmt.Fprintln(os.Stderr, "guest: this is lab's program on an emulated board")
		os.Exit(2)
	}
	first()
}

// end ends the program.
func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// first is the first program of a root file system in memory. It does not end.
func first() {
	err := mountAll()
	if err == nil {
		if _, disk := os.Stat("/disk.json"); disk == nil {
			err = goOnWithDisk()
		} else {
			err = runCommands()
		}
	}
	if err != nil {
		fmt.Printf("\n%s%v\n", failed, err)
	} else {
		fmt.Printf("\n%s\n", done)
	}
	syscall.Sync()
	// Not every board can switch itself off.
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func mountAll() error {
	for _, m := range []struct{ kind, target string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		if err := syscall.Mount(m.kind, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}
