package host

import (
	"path"
	"slices"
	"strings"
)

// A unit is a systemd unit with its drop-ins, as systemd puts them together
// (systemd.unit(5)).
type unit struct {
	// path is the unit file's, empty without one.
	path string
	// files are the unit file and its drop-ins, in the order in which they are read.
	files []string
	// settings are the lines `key=value` in their order, whatever section they
	// stand in.
	settings []setting
}

type setting struct{ key, value string }

// unitFolders are those that systemd looks for units in, the first one wins
// (systemd.unit(5), System Unit Search Path).
func unitFolders() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system"}
}

// readUnit reads a unit and its drop-ins: of two drop-ins of one name the one in
// the first folder counts, and they are read in the order of their names.
func readUnit(f files, name string) unit {
	var u unit
	for _, dir := range unitFolders() {
		if file := dir + "/" + name; f.Exists(file) {
			u.path = file
			u.files, u.settings = []string{file}, parseUnit(f.Read(file))
			break
		}
	}
	dropIns := map[string]string{}
	for _, dir := range unitFolders() {
		for _, file := range f.Names(dir + "/" + name + ".d") {
			if path.Ext(file) == ".conf" && dropIns[file] == "" {
				dropIns[file] = dir + "/" + name + ".d/" + file
			}
		}
	}
	var names []string
	for file := range dropIns {
		names = append(names, file)
	}
	slices.Sort(names)
	for _, file := range names {
		u.files = append(u.files, dropIns[file])
		u.settings = append(u.settings, parseUnit(f.Read(dropIns[file]))...)
	}
	return u
}

// parseUnit reads the settings of a unit file (systemd.syntax(7)): lines that
// end in a backslash go on in the next one.
func parseUnit(text []byte) []setting {
	var all []setting
	joined, goesOn := "", false
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		joined += line
		if joined, goesOn = strings.CutSuffix(joined, `\`); goesOn {
			joined += " "
			continue
		}
		if key, value, ok := strings.Cut(joined, "="); ok {
			all = append(all, setting{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
		joined = ""
	}
	return all
}

// sets is the file that gives a flag to the unit's command, the last one that does:
// files of variables count more than the unit and its drop-ins.
func (u unit) sets(f files, flag string) string {
	from := slices.Clone(u.files)
	for _, s := range u.settings {
		if s.key == "EnvironmentFile" {
			from = append(from, strings.TrimPrefix(s.value, "-"))
		}
	}
	for _, path := range slices.Backward(from) {
		for _, s := range parseUnit(f.Read(path)) {
			if strings.Contains(strings.ReplaceAll(s.value, "_", "-"), "-"+flag) {
				return path
			}
		}
	}
	return ""
}

// command is the last command that the unit starts, in words, with the
// variables of its environment put in (systemd.exec(5), systemd.service(5)).
func (u unit) command(f files) []string {
	var command string
	env := map[string]string{}
	for _, s := range u.settings {
		switch s.key {
		case "ExecStart":
			command = strings.TrimLeft(s.value, "@-:+!")
		case "Environment":
			if s.value == "" {
				clear(env)
			}
			for _, word := range unitWords(s.value) {
				if name, value, ok := strings.Cut(word, "="); ok {
					env[name] = value
				}
			}
		}
	}
	// Files come after, whatever the order of the lines.
	for _, s := range u.settings {
		if s.key == "EnvironmentFile" {
			for name, value := range parseEnvironment(f.Read(strings.TrimPrefix(s.value, "-"))) {
				env[name] = value
			}
		}
	}
	var words []string
	for _, word := range unitWords(command) {
		// $NAME as a word of its own is split, ${NAME} is not.
		if name, ok := strings.CutPrefix(word, "$"); ok && !strings.HasPrefix(name, "{") && !strings.HasPrefix(name, "$") {
			words = append(words, unitWords(env[name])...)
			continue
		}
		for name, value := range env {
			word = strings.ReplaceAll(word, "${"+name+"}", value)
		}
		words = append(words, word)
	}
	return words
}

// unitWords splits a value at blanks; quotes of both kinds hold words together.
func unitWords(text string) []string {
	var all []string
	var word strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case c == '\\' && i+1 < len(text) && quote != '\'':
			i++
			word.WriteByte(text[i])
			open = true
		case quote == 0 && (c == ' ' || c == '\t'):
			if open || word.Len() > 0 {
				all = append(all, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteByte(c)
		}
	}
	if open || word.Len() > 0 {
		all = append(all, word.String())
	}
	return all
}

// parseEnvironment reads a file of variables (systemd.exec(5),
// EnvironmentFile=): the last one of a name counts.
func parseEnvironment(text []byte) map[string]string {
	env := map[string]string{}
	for _, s := range parseUnit(text) {
		// The value is one word, however it is quoted.
		value := s.value
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		env[s.key] = value
	}
	return env
}
