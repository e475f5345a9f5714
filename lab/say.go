package main

import (
	"fmt"
	"os"
	"time"
)

var started = time.Now()

// say tells what is being done, with the time since the program began.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "lab %6.1fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}
