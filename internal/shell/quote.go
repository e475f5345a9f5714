// Package shell writes words for sh(1), for commands that are shown to be pasted. It
// starts no shell; a program that is to be run gets its arguments as a list.
package shell

import "strings"

// Quote returns a word as sh(1) reads it: unchanged where nothing in it is special,
// else in single quotes (POSIX, Shell Command Language, 2.2).
func Quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\r\n\"'`$&|;<>()*?[]#~!\\{}") {
		return word
	}
	return InQuotes(word)
}

// InQuotes returns a word in single quotes in any case, as scripts of sed(1) are
// usually written.
func InQuotes(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
