package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckFile(t *testing.T) {
	wide, long := strings.Repeat("x", 121), strings.Repeat("\t_ = 0\n", 69)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"short", "func f() {\n" + long[8:] + "}\n", nil},
		{"long", "func f() {\n" + long + "}\n", []string{"x.go:2: f has 71 lines"}},
		{"wide", "// " + wide + "\n", []string{"x.go:2: 124 columns"}},
		{"wide in runes", "// " + strings.Repeat("µ", 117) + "\n", nil},
		{"a row", "var v = []string{\n\t\"" + wide + "\",\n\t\"\",\n}\n", nil},
		{"a table", "func f() {\n\tv := []int{\n" + strings.ReplaceAll(long, "_ = 0", "0,") + "\t}\n}\n", nil},
		{"code in a table", "func f() {\n\tv := []func(){func() {\n" + long + "\t}}\n}\n", []string{"x.go:2: f has 73 lines"}},
		{"a struct is no table", "var v = T{\n\t" + wide + ": 1,\n\ty: 2,\n}\n", []string{"x.go:3: 126 columns"}},
		{"raw", "const c = `\n" + wide + "\n`\n", nil},
	} {
		found, err := checkFile("x.go", []byte("package x\n"+c.text))
		require.NoError(t, err, c.name)
		var got []string
		for _, f := range found {
			got = append(got, f.text)
		}
		assert.Equal(t, c.want, got, c.name)
	}
}
