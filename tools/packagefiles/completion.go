package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// The completions know kubeadm-arm's own commands and flags. For all else they
// ask the real kubeadm through kubeadm-arm: its hidden command __complete
// (github.com/spf13/cobra since v1.0.0) prints a word a line and ends with a
// line ":N".

func bashCompletion(commands []command) []byte {
	return complete(`# bash completion for kubeadm-arm(1)                        -*- shell-script -*-

# What the real kubeadm would offer; our own flags would only puzzle it.
__kubeadm_arm_real() {
    local words=() skip= w
    for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $w == "=" ]] && continue
        if [[ -n $skip ]]; then skip=; continue; fi
        case $w in
            {{ownPattern .}}) skip=1 ;;
            {{ownAssigned .}}) ;;
            *) words+=("$w") ;;
        esac
    done
    kubeadm-arm __complete "${words[@]}" "$1" 2>/dev/null | while IFS= read -r w; do
        [[ $w == :* ]] || printf '%s\n' "${w%%$'\t'*}"
    done
}

_kubeadm_arm() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} flag= command=${COMP_WORDS[1]}
    COMPREPLY=()
    # "=" is a word of its own where it breaks words.
    if [[ $cur == "=" ]]; then
        flag=$prev cur=
    elif [[ $prev == "=" ]]; then
        flag=${COMP_WORDS[COMP_CWORD-2]}
    elif [[ $prev == -* ]]; then
        flag=$prev
    fi
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{{range .}}{{.Name}} {{end}}--version --help" -- "$cur"))
        COMPREPLY+=($(compgen -W "$(__kubeadm_arm_real "$cur")" -- "$cur"))
        return
    fi
    case $command:$flag in
{{- range $c := .}}{{range .Flags}}{{if .Value}}
        {{$c.Name}}:--{{.Long}}{{if .Short}} | {{$c.Name}}:-{{.Short}}{{end}})
            {{- if .Choices}}
            COMPREPLY=($(compgen -W "{{join .Choices}}" -- "$cur"))
            {{- else if .IsFolder}}
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            {{- else if .IsFile}}
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            {{- end}}
            return ;;
{{- end}}{{end}}{{end}}
    esac
    case $command in
{{- range .}}
        {{.Name}})
            COMPREPLY=($(compgen -W "{{range .Words}}{{.}} {{end}}{{range .Flags}}--{{.Long}} {{end}}--help" -- "$cur"))
            {{- if .Kubeadm}}
            COMPREPLY+=($(compgen -W "$(__kubeadm_arm_real "$cur")" -- "$cur"))
            {{- else if .Files}}
            if [[ $cur != -* ]]; then
                compopt -o filenames 2>/dev/null
                local files; mapfile -t files < <(compgen -f -- "$cur")
                COMPREPLY+=("${files[@]}")
            fi
            {{- end}} ;;
{{- end}}
        *) COMPREPLY=($(compgen -W "$(__kubeadm_arm_real "$cur")" -- "$cur")) ;;
    esac
} &&
    complete -F _kubeadm_arm kubeadm-arm
`, commands)
}

func zshCompletion(commands []command) []byte {
	return complete(`#compdef kubeadm-arm

# What the real kubeadm would offer for the words so far.
__kubeadm_arm_real() {
    local -a found
    found=(${(f)"$(kubeadm-arm __complete ${words[2,CURRENT-1]} "${words[CURRENT]}" 2>/dev/null)"})
    found=(${found:#:*})
    compadd -- ${found%%$'\t'*}
}

_kubeadm_arm() {
    local -a commands=({{range .}}
        {{zquote .Name .Summary}}{{end}}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        compadd -- --version --help
        __kubeadm_arm_real
        return
    fi
    case ${words[2]}:${words[CURRENT-1]} in
{{- range $c := .}}{{range .Flags}}{{if .Value}}
        {{$c.Name}}:--{{.Long}}{{if .Short}}|{{$c.Name}}:-{{.Short}}{{end}})
            {{if .Choices}}compadd -- {{join .Choices}}{{else}}_files{{end}}; return ;;
{{- end}}{{end}}{{end}}
    esac
    case ${words[2]} in
{{- range .}}
        {{.Name}})
            compadd -- {{range .Words}}{{.}} {{end}}{{range .Flags}}--{{.Long}} {{end}}--help
            {{if .Kubeadm}}__kubeadm_arm_real{{else if .Files}}_files{{end}} ;;
{{- end}}
        *) __kubeadm_arm_real ;;
    esac
}

_kubeadm_arm "$@"
`, commands)
}

func fishCompletion(commands []command) []byte {
	return complete(`# fish completion for kubeadm-arm(1)

# What the real kubeadm would offer for the words so far.
function __kubeadm_arm_real
    set -l words (commandline -opc)
    kubeadm-arm __complete $words[2..-1] (commandline -ct) 2>/dev/null | string match -v ':*'
end

complete -c kubeadm-arm -f
complete -c kubeadm-arm -n __fish_use_subcommand -l version -d 'its version'
complete -c kubeadm-arm -n 'not __fish_seen_subcommand_from{{range .}}{{if not .Kubeadm}} {{.Name}}{{end}}{{end}}' -a '(__kubeadm_arm_real)'
{{range $c := . -}}
complete -c kubeadm-arm -n __fish_use_subcommand -a {{.Name}} -d {{fquote .Summary}}
{{range .Words}}complete -c kubeadm-arm -n '__fish_seen_subcommand_from {{$c.Name}}' -a {{.}}
{{end}}{{if .Files}}complete -c kubeadm-arm -n '__fish_seen_subcommand_from {{.Name}}' -F
{{end}}{{range .Flags}}complete -c kubeadm-arm -n '__fish_seen_subcommand_from {{$c.Name}}' -l {{.Long}}{{if .Short}} -s {{.Short}}{{end}}{{if .Value}} -r{{if .Choices}} -a '{{join .Choices}}'{{else}} -F{{end}}{{end}} -d {{fquote .Text}}
{{end}}{{end}}`, commands)
}

func complete(text string, commands []command) []byte {
	var out bytes.Buffer
	t := template.Must(template.New("").Funcs(template.FuncMap{
		"join":        func(words []string) string { return strings.Join(words, " ") },
		"ownPattern":  func(c []command) string { return ownFlags(c, "") },
		"ownAssigned": func(c []command) string { return ownFlags(c, "=*") },
		"fquote": func(s string) string {
			return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) +
				"'"
		},
		"zquote": func(name, s string) string {
			return "'" + name + ":" + strings.NewReplacer("'", `'\''`, ":", `\:`).Replace(s) + "'"
		},
	}).Parse(text))
	if err := t.Execute(&out, commands); err != nil {
		panic(fmt.Sprintf("a template that is part of this program: %v", err))
	}
	return out.Bytes()
}

// ownFlags is a shell pattern of the flags that commands add to kubeadm's own.
func ownFlags(commands []command, ending string) string {
	var names []string
	for _, c := range commands {
		if !c.Kubeadm {
			continue
		}
		for _, f := range c.Flags {
			if f.Value != "" {
				names = append(names, "--"+f.Long+ending)
			}
		}
	}
	return strings.Join(names, " | ")
}

// IsFolder says that the flag takes a folder.
func (o option) IsFolder() bool {
	return o.Value == "DIR" || o.Value == "FOLDER" || o.Long == "folder" || o.Long == "root"
}

// IsFile says that the flag takes a file.
func (o option) IsFile() bool { return o.Value == "FILE" || o.Value == "PATH" }

var subcommand = regexp.MustCompile(`^\S+ ([a-z]+(?:\|[a-z]+)*)(?: |$)`)

// Words are the words that may follow the command: show and compare, or
// plan|apply.
func (c command) Words() []string {
	var words []string
	for _, call := range c.Calls {
		if m := subcommand.FindStringSubmatch(call); m != nil {
			for _, w := range strings.Split(m[1], "|") {
				if !slices.Contains(words, w) {
					words = append(words, w)
				}
			}
		}
	}
	return words
}

// Files says that the command takes files or folders.
func (c command) Files() bool {
	for _, call := range c.Calls {
		if regexp.MustCompile(`\b(FILE|FOLDER|PATH)\b|(^| )A( |$)`).MatchString(call) {
			return true
		}
	}
	return false
}
