package supervisor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// dropIns are the two settings of systemd's that the supervisor understands in
// drop-ins of its units, /etc/systemd/system/UNIT.service.d/*.conf
// (systemd.exec(5)): how late a service's timers may fire, and environment
// variables. Later files win.
type dropIns struct {
	slack time.Duration
	env   []string
}

func readDropIns(root, unit string) dropIns {
	var d dropIns
	files, _ := filepath.Glob(filepath.Join(root, "etc/systemd/system", unit+".service.d", "*.conf"))
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err == nil {
			d.parse(string(text))
		}
	}
	return d
}

func (d *dropIns) parse(text string) {
	section := ""
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section != "[Service]" {
			continue
		}
		switch key {
		case "TimerSlackNSec":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				d.slack = time.Duration(n)
			} else if v, err := time.ParseDuration(value); err == nil {
				d.slack = v
			}
		case "Environment":
			d.env = append(d.env, strings.Fields(value)...)
		}
	}
}
