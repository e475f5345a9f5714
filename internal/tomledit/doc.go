// Package tomledit changes one setting of a TOML document in place and leaves
// every other byte as it was: comments, order, quotes, line ends and the forms
// in which tables are written. It is for files that belong to somebody else,
// such as containerd's configuration; to write a document of one's own, an
// encoder does.
//
// Positions come from the parser of github.com/pelletier/go-toml/v2, which
// containerd itself reads its configuration with. No result is returned before
// it was decoded again and found to be the old document with that one change.
package tomledit
