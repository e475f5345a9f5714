package supervisor

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
)

// On a board, lab answers to the names systemctl and journalctl with the verbs
// that kubeadm (cmd/kubeadm/app/util/initsystem/initsystem_unix.go) and people
// use, in systemd's words and with its exit codes.

// unitState is what the supervisor says of a unit.
type unitState struct {
	active   string // active, activating or inactive
	pid      int
	restarts int
	enabled  string // enabled or disabled
}

func parseUnitState(s string) (unitState, error) {
	f := strings.Fields(s)
	if len(f) != 4 {
		return unitState{}, fmt.Errorf("the supervisor answered %q", s)
	}
	pid, err1 := strconv.Atoi(f[1])
	restarts, err2 := strconv.Atoi(f[2])
	if err1 != nil || err2 != nil {
		return unitState{}, fmt.Errorf("the supervisor answered %q", s)
	}
	return unitState{f[0], pid, restarts, f[3]}, nil
}

// systemctlCall is a command line of systemctl.
type systemctlCall struct {
	verb       string
	units      []string
	quiet, now bool
	value      bool     // show --value
	properties []string // show --property
}

func parseSystemctl(args []string) systemctlCall {
	var c systemctlCall
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--quiet" || a == "-q":
			c.quiet = true
		case a == "--now":
			c.now = true
		case a == "--value":
			c.value = true
		case (a == "-p" || a == "--property") && i+1 < len(args):
			i++
			c.properties = append(c.properties, strings.Split(args[i], ",")...)
		case strings.HasPrefix(a, "--property="):
			c.properties = append(c.properties, strings.Split(strings.TrimPrefix(a, "--property="), ",")...)
		case strings.HasPrefix(a, "-"):
		case c.verb == "":
			c.verb = a
		default:
			c.units = append(c.units, strings.TrimSuffix(a, ".service"))
		}
	}
	return c
}

// Systemctl runs a command line of systemctl and returns its exit code.
func Systemctl(args []string) int {
	c := parseSystemctl(args)
	switch c.verb {
	case "daemon-reload", "reset-failed":
		return 0
	case "start", "stop", "restart", "enable", "disable", "is-active", "is-enabled", "status", "show":
	default:
		fmt.Fprintln(os.Stderr, "systemctl: this board knows start, stop, restart, enable, disable, is-active, "+
			"is-enabled, status, show, daemon-reload")
		return 1
	}
	if len(c.units) == 0 {
		fmt.Fprintln(os.Stderr, "systemctl: name a unit")
		return 1
	}
	code := 0
	for _, u := range c.units {
		if one := c.do(u); one != 0 {
			code = one
		}
	}
	return code
}

func (c systemctlCall) do(name string) int {
	if units()[name] == nil {
		return c.unknown(name)
	}
	verbs := []string{c.verb}
	if c.now {
		switch c.verb {
		case "enable":
			verbs = append(verbs, "start")
		case "disable":
			verbs = append(verbs, "stop")
		}
	}
	var s unitState
	for _, v := range verbs {
		var err error
		if s, err = ask(v, name); err != nil {
			fmt.Fprintln(os.Stderr, "systemctl:", err)
			return 1
		}
	}
	switch c.verb {
	case "is-active":
		return c.print(s.active, s.active == "active", 3)
	case "is-enabled":
		return c.print(s.enabled, s.enabled == "enabled", 1)
	case "status":
		fmt.Printf("* %s.service\n     Loaded: loaded (lab; %s)\n     Active: %s\n   Main PID: %d\n        Log: %s\n",
			name, s.enabled, s.active, s.pid, logPath(name))
		return c.print("", s.active == "active", 3)
	case "show":
		c.show(s)
	}
	return 0
}

// unknown answers for a unit that is not there, with systemctl's codes.
func (c systemctlCall) unknown(name string) int {
	switch c.verb {
	case "is-active":
		return c.print("inactive", false, 4)
	case "show":
		c.show(unitState{active: "inactive"})
		return 0
	case "status":
		fmt.Fprintf(os.Stderr, "Unit %s.service could not be found.\n", name)
		return 4
	case "is-enabled":
		fmt.Fprintf(os.Stderr, "Failed to get unit file state for %s.service: No such file or directory\n", name)
		return 1
	}
	fmt.Fprintf(os.Stderr, "Failed to %s %s.service: Unit %s.service not found.\n", c.verb, name, name)
	return 5
}

func (c systemctlCall) print(text string, good bool, bad int) int {
	if text != "" && !c.quiet {
		fmt.Println(text)
	}
	if good {
		return 0
	}
	return bad
}

func (c systemctlCall) show(s unitState) {
	sub := map[string]string{"active": "running", "activating": "auto-restart"}[s.active]
	if sub == "" {
		sub = "dead"
	}
	all := [][2]string{{"LoadState", "loaded"}, {"ActiveState", s.active}, {"SubState", sub},
		{"MainPID", strconv.Itoa(s.pid)},
		{"NRestarts", strconv.Itoa(s.restarts)}, {"UnitFileState", s.enabled}}
	if s.enabled == "" {
		all[0][1] = "not-found"
	}
	for _, p := range all {
		if len(c.properties) > 0 && !slices.Contains(c.properties, p[0]) {
			continue
		}
		if c.value {
			fmt.Println(p[1])
			continue
		}
		fmt.Println(p[0] + "=" + p[1])
	}
}

// Journalctl prints the log of the unit that -u names. All other options mean
// nothing to a plain file, but for -n LINES.
func Journalctl(args []string) int {
	name, lines := "", 0
	for i := 0; i < len(args); i++ {
		// People write -xeu kubelet.
		short := strings.HasPrefix(args[i], "-") && !strings.HasPrefix(args[i], "--")
		switch {
		case (short && strings.HasSuffix(args[i], "u") || args[i] == "--unit") && i+1 < len(args):
			i++
			name = args[i]
		case strings.HasPrefix(args[i], "--unit="):
			name = strings.TrimPrefix(args[i], "--unit=")
		case (short && strings.HasSuffix(args[i], "n") || args[i] == "--lines") && i+1 < len(args):
			i++
			lines, _ = strconv.Atoi(args[i])
		case strings.HasPrefix(args[i], "--lines="):
			lines, _ = strconv.Atoi(strings.TrimPrefix(args[i], "--lines="))
		}
	}
	name = strings.TrimSuffix(name, ".service")
	if units()[name] == nil {
		fmt.Fprintln(os.Stderr, "journalctl: this board keeps logs of -u kubelet and -u containerd")
		return 1
	}
	text, err := os.ReadFile(logPath(name))
	if err != nil && !os.IsNotExist(err) {
		fmt.Fprintln(os.Stderr, "journalctl:", err)
		return 1
	}
	if len(text) == 0 {
		fmt.Println("-- No entries --")
		return 0
	}
	out := strings.TrimRight(string(text), "\n")
	if lines > 0 {
		out = command.Tail(out, lines)
	}
	fmt.Println(out)
	return 0
}

// ask sends one line to the supervisor.
func ask(verb, name string) (unitState, error) {
	c, err := net.Dial("unix", Socket)
	if err != nil {
		return unitState{}, err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s %s\n", verb, name); err != nil {
		return unitState{}, err
	}
	text, err := io.ReadAll(c)
	if err != nil {
		return unitState{}, err
	}
	return parseUnitState(string(text))
}
