package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// ownFlag is a flag of kubeadm-arm's own. The table in commands.go is the only list of
// them: it parses command lines and prints --help, of which the manual pages, completions
// and docs/commands.md are generated.
type ownFlag struct {
	name  string
	short byte
	// value is the name of the value in the help, empty for a switch.
	value string
	// env is the environment variable that stands for the flag, if one does.
	env string
	def string
	// choices are all values that there are beside the default, nil for any.
	choices []string
	text    string
}

func (f ownFlag) spec() kubeadm.FlagSpec {
	return kubeadm.FlagSpec{Name: f.name, Short: f.short, Switch: f.value == ""}
}

// options are a command's parsed arguments.
type options struct {
	command *command
	getenv  func(string) string
	// all are all flags and words, theirs those of them that are kubeadm's.
	all, theirs kubeadm.Args
	// raw are the arguments as they came.
	raw []string
}

// parse reads a command's arguments. Where the real kubeadm's flags are taken,
// too, unknown flags are left to it.
func (v invocation) parse(c *command, args []string) (options, error) {
	known := []kubeadm.FlagSpec{{Name: "help", Short: 'h', Switch: true}}
	for _, f := range c.flags {
		known = append(known, f.spec())
	}
	if c.kubeadm != "" {
		known = append(known, c.kubeadm.Flags()...)
	}
	o := options{command: c, getenv: v.getenv, raw: args}
	var err error
	if o.all, err = kubeadm.ParseArgs(args, known); err != nil {
		return o, o.usage(err)
	}
	o.theirs = kubeadm.Args{Words: o.all.Words, FirstWord: o.all.FirstWord}
	for _, f := range o.all.Flags {
		own := slices.ContainsFunc(c.flags, func(x ownFlag) bool { return x.name == f.Name })
		switch {
		case own && f.Value == "":
			return o, o.usage(fmt.Errorf("flag --%s: the value is empty", f.Name))
		case own:
		case strings.HasPrefix(f.Name, "arm-") ||
			c.kubeadm == "" && !slices.ContainsFunc(known, func(s kubeadm.FlagSpec) bool { return s.Name == f.Name }):
			word, _, _ := strings.Cut(f.Tokens[0], "=")
			return o, o.usage(fmt.Errorf("unknown flag %s", word))
		default:
			o.theirs.Flags = append(o.theirs.Flags, f)
		}
	}
	return o, nil
}

// help reports whether help was asked for. Then nothing else is done.
func (o options) help() bool { return o.all.Bool("help") }

// check looks at the values that can be wrong on their own, and at the number of
// words.
func (o options) check() error {
	for _, f := range o.command.flags {
		if text := o.text(f.name); f.choices != nil && text != f.def && !slices.Contains(f.choices, text) {
			return o.bad(f.name, notAmong(text, f.choices))
		}
	}
	if n := len(o.all.Words); n > o.command.words && o.command.kubeadm == "" {
		if o.command.words == 0 {
			return o.usage(fmt.Errorf("%s takes no arguments, got %q", o.command.name, o.all.Words[0]))
		}
		return o.usage(fmt.Errorf("%s: too many arguments, beginning with %q", o.command.name, o.all.Words[o.command.words]))
	}
	return nil
}

func notAmong(text string, choices []string) error {
	if len(choices) == 2 {
		return fmt.Errorf("%q is neither %s nor %s", text, choices[0], choices[1])
	}
	return fmt.Errorf("%q is not %s", text, either(choices, ""))
}

// has reports whether the command has a flag of kubeadm-arm's own.
func (o options) has(name string) bool {
	return slices.ContainsFunc(o.command.flags, func(f ownFlag) bool { return f.name == name })
}

func (o options) flag(name string) ownFlag {
	i := slices.IndexFunc(o.command.flags, func(f ownFlag) bool { return f.name == name })
	if i < 0 {
		panic(fmt.Sprintf("%s has no flag --%s", o.command.name, name))
	}
	return o.command.flags[i]
}

// text is a flag's value: the last one given, that of its environment variable, or
// its default.
func (o options) text(name string) string {
	f := o.flag(name)
	if value, ok := o.all.Get(name); ok {
		return value
	}
	if f.env != "" && o.getenv(f.env) != "" {
		return o.getenv(f.env)
	}
	return f.def
}

// on reports whether a switch is on.
func (o options) on(name string) bool { return o.flag(name).value == "" && o.all.Bool(name) }

// list are the values of a flag that may be repeated, or have several with commas.
func (o options) list(name string) []string {
	if all := o.all.List(name); all != nil || o.flag(name).def == "" {
		return all
	}
	return []string{o.flag(name).def}
}

// duration is a flag's value as a time, 0 without one. None is below zero.
func (o options) duration(name string) (time.Duration, error) {
	text := o.text(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, o.bad(name, fmt.Errorf("%q is not a duration such as 90s or 1h30m", text))
	}
	if d < 0 {
		return 0, o.bad(name, fmt.Errorf("%s must not be negative", d))
	}
	return d, nil
}

// number is a flag's value as a number from 0 to most, 0 without one.
func (o options) number(name string, most float64) (float64, error) {
	text := o.text(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(n):
		return 0, o.bad(name, fmt.Errorf("%q is not a number", text))
	case n < 0:
		return 0, o.bad(name, fmt.Errorf("%g must not be negative", n))
	case n > most:
		return 0, o.bad(name, fmt.Errorf("%g is more than %g", n, most))
	}
	return n, nil
}

// bad is an error about a flag's value. It names where the value is from: the flag or its
// environment variable.
func (o options) bad(name string, err error) error {
	f := o.flag(name)
	if _, given := o.all.Get(name); !given && f.env != "" && o.getenv(f.env) != "" {
		return &problem{exitUsage, "change it, or: unset " + f.env, fmt.Errorf("environment variable %s: %w", f.env, err)}
	}
	return o.usage(fmt.Errorf("flag --%s: %w", name, err))
}

func (o options) usage(err error) error {
	return &problem{exitUsage, "see kubeadm-arm " + o.command.name + " --help", err}
}

// either lists words: "text, json or yaml". That of def is marked.
func either(words []string, def string) string {
	var all []string
	for _, w := range words {
		if w == def {
			w += " (default)"
		}
		all = append(all, w)
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// describe is a flag's text in the help.
func (f ownFlag) describe() string {
	var parts []string
	if f.choices != nil {
		parts = append(parts, either(f.choices, f.def))
	}
	if f.text != "" {
		parts = append(parts, f.text)
	}
	text := strings.Join(parts, ": ")
	if f.def != "" && f.choices == nil {
		text += ", default " + f.def
	}
	if f.env != "" {
		text += " (" + f.env + ")"
	}
	return text
}

// helpOf is what --help prints for one command, always to standard output.
func helpOf(c *command) string {
	var b strings.Builder
	if c.about != "" {
		b.WriteString(c.about + "\n\n")
	}
	if c.verbs != nil {
		writeCalls(&b, visible(c.verbs))
	} else {
		writeCalls(&b, []*command{c})
	}
	if len(c.flags) > 0 {
		b.WriteString("\n")
		t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
		for _, f := range c.flags {
			name := "    --" + f.name
			if f.short != 0 {
				name = "-" + string(f.short) + ", --" + f.name
			}
			if f.value != "" {
				name += " " + f.value
			}
			fmt.Fprintf(t, "  %s\t%s\n", name, f.describe())
		}
		_ = t.Flush() // a strings.Builder takes everything
	}
	if c.after != "" {
		b.WriteString("\n" + c.after + "\n")
	}
	return b.String()
}

// writeCalls writes the forms in which commands are called, in columns.
func writeCalls(b *strings.Builder, commands []*command) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range commands {
		for _, call := range c.calls {
			if call.form != "" {
				call.form = " " + call.form
			}
			fmt.Fprintf(t, "  kubeadm-arm %s%s\t%s\n", c.name, call.form, call.text)
		}
	}
	_ = t.Flush()
}

// visible are the commands that help lists.
func visible(all []*command) []*command {
	return slices.DeleteFunc(slices.Clone(all), func(c *command) bool { return c.hidden })
}

// helpOfAll is what kubeadm-arm --help prints.
func helpOfAll() string {
	var b strings.Builder
	b.WriteString("kubeadm-arm is a drop-in for kubeadm on slow and old boards.\n\n")
	writeCalls(&b, visible(commands()))
	b.WriteString("\nEvery other command is passed on to the real kubeadm unchanged.\n")
	return b.String()
}
