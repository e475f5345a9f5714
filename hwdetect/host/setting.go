package host

import (
	"slices"
	"strings"
)

// A Setting is where in a text parameters stand, so that one can be added or taken
// out without touching another byte.
type Setting struct {
	// Words are the parameters; those of several lines that count together are
	// all there.
	Words []string
	// From and To bound the value as it is written.
	From, To int
	// At is where further parameters go in, between Before and After.
	At            int
	Before, After string
}

// ParseBootFile finds the parameters in a boot file. ok is false when the file has
// no place for them.
func ParseBootFile(text string, kind BootKind) (s Setting, ok bool) {
	switch kind {
	case BootCmdline:
		return cmdlineSetting(text), true
	case BootEnv:
		return orNewLine(text, "extraargs=", "")(envSetting(text, "extraargs"))
	case BootUEnv:
		return uEnvSetting(text)
	case BootIni:
		return iniSetting(text)
	case BootExtlinux:
		return extlinuxSetting(text)
	case BootEntry:
		return entrySetting(text)
	case BootMenu:
		// Unset it is "ro quiet" (u-boot-update(8)).
		return orNewLine(text, `U_BOOT_PARAMETERS="ro quiet `, `"`)(ShellSetting(text, "U_BOOT_PARAMETERS"))
	case BootFlashKernel:
		return orNewLine(text, `LINUX_KERNEL_CMDLINE="`, `"`)(ShellSetting(text, "LINUX_KERNEL_CMDLINE"))
	case BootGRUB:
		s, ok = orNewLine(text, `GRUB_CMDLINE_LINUX="`, `"`)(ShellSetting(text, "GRUB_CMDLINE_LINUX"))
		if more, there := ShellSetting(text, "GRUB_CMDLINE_LINUX_DEFAULT"); there {
			s.Words = append(s.Words, more.Words...)
		}
		return s, ok
	}
	return Setting{}, false
}

// orNewLine gives a setting that is not there a line of its own at the end.
func orNewLine(text, before, after string) func(Setting, bool) (Setting, bool) {
	return func(s Setting, ok bool) (Setting, bool) {
		if ok {
			return s, true
		}
		if text != "" && !strings.HasSuffix(text, "\n") {
			before = "\n" + before
		}
		return Setting{From: len(text), To: len(text), At: len(text), Before: before, After: after + "\n"}, true
	}
}

// plainSetting is a value from one byte to another, without the blanks and the
// carriage return at its end.
func plainSetting(text string, from, to int) Setting {
	value := strings.TrimRight(text[from:to], " \t\r")
	to = from + len(value)
	s := Setting{Words: strings.Fields(value), From: from, To: to, At: to, Before: " "}
	if strings.TrimSpace(value) == "" {
		s.Before = ""
	}
	return s
}

// A textLine is a line of a text: where it begins, and where it ends without its
// line feed.
type textLine struct{ from, to int }

func textLines(text string) []textLine {
	var all []textLine
	for from := 0; from < len(text); {
		to := len(text)
		if n := strings.IndexByte(text[from:], '\n'); n >= 0 {
			to = from + n
		}
		all = append(all, textLine{from, to})
		from = to + 1
	}
	return all
}

// cmdlineSetting: the firmware reads the first line only.
func cmdlineSetting(text string) Setting {
	first, _, _ := strings.Cut(text, "\n")
	return plainSetting(text, 0, len(first))
}

// envSetting finds the last line NAME=value of a U-Boot environment as text (env
// import -t): blanks before the name are skipped, # begins a comment, a backslash
// at the end goes on in the next line.
func envSetting(text, name string) (s Setting, ok bool) {
	all := textLines(text)
	for i := 0; i < len(all); i++ {
		from, to := all[i].from, all[i].to
		for i+1 < len(all) && continued(strings.TrimSuffix(text[all[i].from:all[i].to], "\r")) {
			i++
			to = all[i].to
		}
		skipped := from + len(text[from:to]) - len(strings.TrimLeft(text[from:to], " \t"))
		if rest, found := strings.CutPrefix(text[skipped:to], name+"="); found {
			s, ok = plainSetting(text, to-len(rest), to), true
		}
	}
	return s, ok
}

// continued reports whether a line ends in an odd number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// uEnvSetting: BeagleBoard.org's images have cmdline= (older ones optargs=), those
// for Amlogic chips APPEND=. Where none is there, uname_r= is the sign of the
// first.
func uEnvSetting(text string) (Setting, bool) {
	for _, name := range []string{"cmdline", "optargs", "extraargs", "APPEND", "bootargs"} {
		if s, ok := envSetting(text, name); ok {
			return s, true
		}
	}
	if _, ok := envSetting(text, "uname_r"); ok {
		return orNewLine(text, "cmdline=", "")(Setting{}, false)
	}
	return Setting{}, false
}

// iniSetting finds the last "setenv bootargs" of U-Boot commands. The value is in
// double quotes, or goes to the end of the command.
func iniSetting(text string) (s Setting, ok bool) {
	for _, l := range textLines(text) {
		line := text[l.from:l.to]
		rest, found := strings.CutPrefix(strings.TrimLeft(line, " \t"), "setenv")
		trimmed := strings.TrimLeft(rest, " \t")
		value, named := strings.CutPrefix(trimmed, "bootargs")
		if !found || len(trimmed) == len(rest) || !named || value == "" || !strings.ContainsAny(value[:1], " \t") {
			continue
		}
		words := s.Words
		value = strings.TrimLeft(value, " \t")
		from, to := l.to-len(value), l.to
		if value != "" && (value[0] == '"' || value[0] == '\'') {
			if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
				from, to = from+1, from+1+end
			}
		} else if end := strings.IndexByte(value, ';'); end >= 0 {
			to = from + end
		}
		s, ok = plainSetting(text, from, to), true
		s.Words = append(words, s.Words...)
	}
	return s, ok
}

// extlinuxSetting finds the append line of the label that boots: the one that
// default (or ontimeout) names or that is marked "menu default", else the first
// (U-Boot, boot/pxe_utils.c). Keywords know no case.
func extlinuxSetting(text string) (Setting, bool) {
	var chosen string
	var labels []extlinuxLabel
	for _, l := range textLines(text) {
		w := strings.Fields(text[l.from:l.to])
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		keyword, rest := strings.ToLower(w[0]), strings.Join(w[1:], " ")
		last := len(labels) - 1
		switch {
		case (keyword == "default" || keyword == "ontimeout") && rest != "":
			chosen = rest
		case keyword == "label":
			labels = append(labels, extlinuxLabel{name: rest, end: l})
		case last >= 0:
			if keyword == "menu" && strings.EqualFold(rest, "default") {
				chosen = labels[last].name
			}
			if keyword == "append" {
				labels[last].append = &l
			}
			labels[last].end = l
		}
	}
	if len(labels) == 0 {
		return Setting{}, false
	}
	at := max(0, slices.IndexFunc(labels, func(l extlinuxLabel) bool { return l.name == chosen }))
	return labels[at].setting(text), true
}

type extlinuxLabel struct {
	name   string
	append *textLine
	// end is the last line of the label.
	end textLine
}

func (l extlinuxLabel) setting(text string) Setting {
	if l.append == nil {
		at := l.end.to
		if strings.HasSuffix(text[:at], "\r") {
			at--
		}
		return Setting{From: at, To: at, At: at, Before: "\n  append "}
	}
	return keywordSetting(text, *l.append)
}

// keywordSetting is what follows a line's first word.
func keywordSetting(text string, l textLine) Setting {
	line := text[l.from:l.to]
	rest := strings.TrimLeft(line, " \t")
	end := strings.IndexAny(rest, " \t")
	if end < 0 {
		s := plainSetting(text, l.to-len(rest)+len(strings.TrimRight(rest, "\r")), l.to)
		s.Before = " "
		return s
	}
	value := strings.TrimLeft(rest[end:], " \t")
	return plainSetting(text, l.to-len(value), l.to)
}

// entrySetting finds the last options line of a boot loader entry; several count
// together.
func entrySetting(text string) (s Setting, ok bool) {
	for _, l := range textLines(text) {
		if w := strings.Fields(text[l.from:l.to]); len(w) > 0 && w[0] == "options" {
			words := s.Words
			s, ok = keywordSetting(text, l), true
			s.Words = append(words, s.Words...)
		}
	}
	return s, ok
}

// ShellSetting finds the last assignment NAME=value of a file that a shell reads.
// The value may be quoted either way, in pieces, or go over several lines.
func ShellSetting(text, name string) (s Setting, ok bool) {
	for at := 0; at < len(text); {
		line := text[at:]
		word := strings.TrimLeft(line, " \t")
		if rest, found := strings.CutPrefix(word, "export "); found {
			word = strings.TrimLeft(rest, " \t")
		}
		if value, found := strings.CutPrefix(word, name+"="); found {
			from := len(text) - len(value)
			s, ok = shellWord(text, from), true
			at = s.To
		}
		at = shellLineEnd(text, at)
	}
	return s, ok
}

// shellLineEnd is where the next command line begins: quoted line ends are none.
func shellLineEnd(text string, at int) int {
	quote := byte(0)
	comment := false
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\n' && (quote == 0 || comment):
			return at + 1
		case comment:
		case c == '\\' && quote != '\'':
			at++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#' && (at == 0 || strings.ContainsRune(" \t\n;", rune(text[at-1]))):
			comment = true
		}
	}
	return at
}

// shellWord reads the word of a shell that begins at a byte.
func shellWord(text string, from int) Setting {
	var plain strings.Builder
	at, quote, closed := from, byte(0), -1
scan:
	for ; at < len(text); at++ {
		c := text[at]
		switch {
		case quote == 0 && strings.IndexByte(" \t\r\n;&|", c) >= 0:
			break scan
		case c == '\\' && quote != '\'' && at+1 < len(text):
			at++
			if text[at] != '\n' {
				plain.WriteByte(text[at])
			}
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote, closed = 0, at
		default:
			plain.WriteByte(c)
		}
	}
	s := Setting{Words: strings.Fields(plain.String()), From: from, To: at, At: at, Before: `" `, After: `"`}
	if closed >= 0 && closed == at-1 {
		s.At, s.Before, s.After = closed, " ", "" // inside the quotes
	}
	if len(s.Words) == 0 {
		s.Before = strings.TrimSuffix(s.Before, " ")
	}
	return s
}
