package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// readProse reads what no help text says: NAME.txt for each page. The form is
// plain: "# " begins a section, four blanks an example, a blank line a new
// paragraph.
func readProse(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	prose := map[string]string{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".txt"); ok {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			prose[name] = string(text)
		}
	}
	return prose, nil
}

// pages are the manual pages of section 1 by file name: one for the program, one
// for each command, in man(7)'s macros.
func pages(commands []command, codes []exitCode, prose map[string]string, version string,
	date time.Time) map[string][]byte {
	files := map[string][]byte{}
	var all page
	all.title("kubeadm-arm", version, date)
	all.section("NAME")
	all.raw(`kubeadm\-arm \- a drop\-in for kubeadm on slow and old boards`)
	all.section("SYNOPSIS")
	all.raw(".B kubeadm\\-arm\n.I command\n.RI [ flags ]\n.PP\n.B kubeadm\\-arm \\-\\-version")
	all.text(prose["kubeadm-arm"])
	all.section("COMMANDS")
	for _, c := range commands {
		all.raw(".TP\n.B " + escape(c.Name))
		all.line(upper(c.Summary) + ". See " + pageName(c) + "(1).")
	}
	all.raw(".PP")
	all.line("Every other command is passed on to the real kubeadm unchanged.")
	all.section("ENVIRONMENT")
	all.line("Each variable takes the place of a flag that is not given.")
	for _, c := range commands {
		for _, f := range c.Flags {
			if m := variable.FindStringSubmatch(f.Text); m != nil {
				all.raw(".TP\n.B " + m[1])
				all.line("The flag --" + f.Long + " of " + pageName(c) + "(1).")
			}
		}
	}
	all.exitStatus(codes)
	all.seeAlso(commands, "")
	files["kubeadm-arm.1"] = all.Bytes()
	for _, c := range commands {
		var p page
		p.title(pageName(c), version, date)
		p.section("NAME")
		p.raw(escape(pageName(c)) + ` \- ` + escape(c.Summary))
		p.section("SYNOPSIS")
		for i, call := range c.Calls {
			if i > 0 {
				p.raw(".br")
			}
			p.raw(".B kubeadm\\-arm " + escape(call))
		}
		p.text(prose[c.Name])
		if prose[c.Name] == "" {
			p.section("DESCRIPTION")
			p.line(upper(c.Summary) + ".")
		}
		if len(c.Calls) > 1 {
			p.section("COMMANDS")
			for i, call := range c.Calls {
				p.raw(".TP\n.B " + escape(call))
				p.line(upper(c.About[i]) + ".")
			}
		}
		p.flags(c)
		p.section("EXIT STATUS")
		p.line("0 for success; else one of the codes in kubeadm-arm(1).")
		p.seeAlso(commands, c.Name)
		files[pageName(c)+".1"] = p.Bytes()
	}
	return files
}

var variable = regexp.MustCompile(`\((KUBEADM_ARM_[A-Z]+)\)`)

func pageName(c command) string { return "kubeadm-arm-" + c.Name }

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// page is a manual page under construction.
type page struct{ bytes.Buffer }

// raw writes lines that are roff already.
func (p *page) raw(text string) { p.WriteString(text + "\n") }

// line writes text.
func (p *page) line(text string) { p.raw(escape(text)) }

func (p *page) title(name, version string, date time.Time) {
	p.raw(fmt.Sprintf(`.TH %s 1 %s "kubeadm\-arm %s"`, escape(strings.ToUpper(name)),
		escape(date.Format(time.DateOnly)), escape(version)))
}

func (p *page) section(name string) { p.raw(".SH " + name) }

// text writes prose in readProse's form; what stands before the first heading is
// the description.
func (p *page) text(prose string) {
	if prose == "" {
		return
	}
	if !strings.HasPrefix(prose, "# ") {
		p.section("DESCRIPTION")
	}
	example := false
	for _, line := range strings.Split(strings.TrimRight(prose, "\n"), "\n") {
		code, isExample := strings.CutPrefix(line, "    ")
		if isExample != example && strings.TrimSpace(line) != "" {
			if example = isExample; example {
				p.raw(".PP\n.RS 4\n.EX")
			} else {
				p.raw(".EE\n.RE")
				if !strings.HasPrefix(line, "# ") {
					p.raw(".PP")
				}
			}
		}
		switch {
		case isExample:
			p.line(code)
		case strings.TrimSpace(line) == "":
			if !example {
				p.raw(".PP")
			}
		case strings.HasPrefix(line, "# "):
			p.section(strings.ToUpper(line[2:]))
		default:
			p.line(line)
		}
	}
	if example {
		p.raw(".EE\n.RE")
	}
}

func (p *page) flags(c command) {
	if len(c.Flags) == 0 && !c.Kubeadm {
		return
	}
	p.section("OPTIONS")
	for _, f := range c.Flags {
		name := `\fB\-\-` + escape(f.Long) + `\fR`
		if f.Short != "" {
			name = `\fB\-` + f.Short + `\fR, ` + name
		}
		if f.Value != "" {
			name += ` \fI` + escape(f.Value) + `\fR`
		}
		p.raw(".TP\n" + name)
		p.line(upper(f.Text) + ".")
	}
	if c.Kubeadm {
		p.raw(".PP")
		p.line("All flags of kubeadm " + c.Name + " work as well.")
	}
}

func (p *page) exitStatus(codes []exitCode) {
	p.section("EXIT STATUS")
	p.line("The real kubeadm's commands keep its codes; a command ended by signal n gives 128 + n.")
	for _, c := range codes {
		p.raw(".TP\n.B " + c.Code)
		p.line(upper(strings.ReplaceAll(c.Meaning, "`", "")) + ".")
	}
}

func (p *page) seeAlso(commands []command, self string) {
	p.section("SEE ALSO")
	var others []string
	if self != "" {
		others = append(others, `.BR kubeadm\-arm (1)`)
	}
	for _, c := range commands {
		if c.Name != self {
			others = append(others, ".BR "+escape(pageName(c))+" (1)")
		}
	}
	p.raw(strings.Join(others, ",\n"))
}

// escape makes text safe for roff: backslashes and minus signs as such, and no
// line that begins with a control character.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\(rs`, "-", `\-`, "'", `\(aq`, "…", `.\|.\|.`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
