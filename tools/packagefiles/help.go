package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A command is one of kubeadm-arm's own, as its help tells.
type command struct {
	Name string // init
	// Calls are the forms it can be called in: "init [flags of kubeadm init]".
	Calls []string
	// About says of each form what it does.
	About   []string
	Summary string
	Flags   []option
	// Kubeadm says that it takes the real kubeadm's flags, too.
	Kubeadm bool
}

// An option is one line of a command's flags.
type option struct {
	Short string // o, or empty
	Long  string // output
	Value string // FORMAT, or empty for a switch
	Text  string
}

// readCommands asks the program for its commands, and each for its flags.
func readCommands(program string) ([]command, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	text, err := help(program)
	if err != nil {
		return nil, err
	}
	commands := parseCommands(text)
	if len(commands) == 0 {
		return nil, fmt.Errorf("%s --help lists no commands", program)
	}
	for i, c := range commands {
		text, err := help(program, c.Name)
		var exit *exec.ExitError
		if errors.As(err, &exit) && c.Kubeadm {
			continue // all its flags are the real kubeadm's
		}
		if err != nil {
			return nil, err
		}
		commands[i].Flags = parseFlags(text)
		// A command with commands of its own lists them better there.
		if own := parseCommands(text); len(own) == 1 && own[0].Name == c.Name {
			commands[i].Calls, commands[i].About = own[0].Calls, own[0].About
		}
	}
	return commands, nil
}

// help runs a command with --help where no kubeadm can be found to add words.
func help(program string, words ...string) (string, error) {
	cmd := exec.Command(program, append(words, "--help")...)
	cmd.Env = []string{"PATH=/nonexistent", "HOME=" + os.TempDir()}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out.String())
	}
	return out.String(), nil
}

// parseCommands reads kubeadm-arm --help. A line is two blanks, the call, and at
// least two blanks before the summary, which all lines have in one column; a
// long call leaves one blank. Lines of one command are put together.
func parseCommands(text string) []command {
	const program = "  kubeadm-arm "
	column := 0
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		line, ok := strings.CutPrefix(line, program)
		if !ok {
			continue
		}
		lines = append(lines, line)
		if call, summary, ok := strings.Cut(line, "  "); ok && column == 0 {
			column = len(call) + 2 + len(summary) - len(strings.TrimLeft(summary, " "))
		}
	}
	var commands []command
	for _, line := range lines {
		call, summary, ok := strings.Cut(line, "  ")
		if !ok && column > 0 && len(line) > column && line[column-1] == ' ' {
			call, summary, ok = line[:column-1], line[column:], true
		}
		if !ok {
			continue
		}
		summary = strings.TrimSpace(summary)
		name, _, _ := strings.Cut(call, " ")
		if at := indexOf(commands, name); at >= 0 {
			commands[at].Calls = append(commands[at].Calls, call)
			commands[at].About = append(commands[at].About, summary)
			commands[at].Summary += "; " + summary
			continue
		}
		commands = append(commands, command{Name: name, Calls: []string{call}, About: []string{summary},
			Summary: summary, Kubeadm: strings.Contains(call, "flags of kubeadm")})
	}
	return commands
}

func indexOf(commands []command, name string) int {
	for i, c := range commands {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// flagLine is a line as github.com/spf13/pflag writes it.
var flagLine = regexp.MustCompile(`^ +(?:-(\w), )?--([\w-]+)(?:\[=[^\]]*\])?(?: (\S+))?  +(\S.*)$`)

func parseFlags(text string) []option {
	var flags []option
	for _, line := range strings.Split(text, "\n") {
		if m := flagLine.FindStringSubmatch(line); m != nil {
			flags = append(flags, option{Short: m[1], Long: m[2], Value: m[3], Text: m[4]})
		}
	}
	return flags
}

// choiceList is how a flag's text begins when it takes one of a few words:
// "text, json or yaml".
var choiceList = regexp.MustCompile(`^([a-z]+(?: \(default\))?(?:, [a-z]+(?: \(default\))?)* or [a-z]+)(?:$|[^a-z-])`)

// Choices are the words that a flag takes, nil when it takes others.
func (o option) Choices() []string {
	m := choiceList.FindStringSubmatch(o.Text)
	if m == nil || o.Value == "" {
		return nil
	}
	list := strings.NewReplacer(" (default)", "", ", ", " ", " or ", " ").Replace(m[1])
	return strings.Fields(list)
}

// exitCode is a row of docs/exit-codes.md.
type exitCode struct{ Code, Meaning string }

var exitRow = regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \|$`)

// exitCodes reads the table of docs/exit-codes.md.
func exitCodes(document []byte) ([]exitCode, error) {
	var codes []exitCode
	for _, m := range exitRow.FindAllSubmatch(document, -1) {
		codes = append(codes, exitCode{string(m[1]), string(m[2])})
	}
	if len(codes) == 0 {
		return nil, errors.New("docs/exit-codes.md has no rows")
	}
	return codes, nil
}
