package tomledit

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSet(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"replaced":                {"[a.b]\nc = false # no\n", "[a.b]\nc = true # no\n"},
		"replaced, dotted":        {"a.b.c=0\n", "a.b.c=true\n"},
		"replaced, inline":        {"a = { b = { c = [1,\n2] }, d = 1 }\n", "a = { b = { c = true }, d = 1 }\n"},
		"replaced, of three":      {"[a.b]\nc = \"\"\"x\ny\"\"\"\n", "[a.b]\nc = true\n"},
		"quoted keys":             {"[\"a\".'b']\n\"c\" = 1", "[\"a\".'b']\n\"c\" = true"},
		"into a table":            {"[a.b]\n  d = 1\n", "[a.b]\n  c = true\n  d = 1\n"},
		"into an empty table":     {"  [a.b]", "  [a.b]\n  c = true"},
		"with comments":           {"[a.b] # x\n# y\nd = 1\n", "[a.b] # x\nc = true\n# y\nd = 1\n"},
		"dotted beside":           {"[a]\n b.d = 1 # x\n", "[a]\n b.d = 1 # x\n b.c = true\n"},
		"dotted at the top":       {"a.b.d = 1", "a.b.d = 1\na.b.c = true"},
		"inline":                  {"a = {b = {d = 1}}\n", "a = {b = {d = 1, c = true}}\n"},
		"inline, empty":           {"[a]\nb = {} # x\n", "[a]\nb = { c = true } # x\n"},
		"inline above":            {"a = {d = 1}\n", "a = {d = 1, b.c = true}\n"},
		"inline, dotted inside":   {"a = {b.d = 1}\n", "a = {b.d = 1, b.c = true}\n"},
		"a table of its own":      {"[a]\nd = 1\n\n[e]\nf = 1\n", "[a]\nd = 1\n\n[a.b]\nc = true\n\n[e]\nf = 1\n"},
		"after those below":       {"[a]\n[a.x]\ny = 1\n[e]\n", "[a]\n[a.x]\ny = 1\n\n[a.b]\nc = true\n[e]\n"},
		"at the end":              {"d = 1", "d = 1\n\n[a.b]\nc = true\n"},
		"of nothing":              {"", "[a.b]\nc = true\n"},
		"CRLF":                    {"[a.b]\r\nd = 1\r\n", "[a.b]\r\nc = true\r\nd = 1\r\n"},
		"a table that is implied": {"[a.b.x]\ny = 1\n", "[a.b.x]\ny = 1\n\n[a.b]\nc = true\n"},
	} {
		got, err := Set([]byte(c.before), true, "a", "b", "c")
		require.NoError(t, err, name)
		assert.Equal(t, c.after, string(got), name)
	}
	top, err := Set([]byte("# x\n[a]\nb = 1\n"), "y", "version")
	require.NoError(t, err)
	assert.Equal(t, "# x\nversion = \"y\"\n[a]\nb = 1\n", string(top))
	list, err := Set([]byte("a = 1\n"), []string{"x", "y"}, "io.b", "c")
	require.NoError(t, err)
	assert.Equal(t, "a = 1\n\n[\"io.b\"]\nc = [\"x\", \"y\"]\n", string(list))
	number, err := Set([]byte("a = 1\n"), int64(5), "a")
	require.NoError(t, err)
	assert.Equal(t, "a = 5\n", string(number))
}

// What cannot be changed in place is refused.
func TestRefused(t *testing.T) {
	for text, why := range map[string]string{
		"a = 1\n":           "a is not a table",
		"[[a]]\nx = 1\n":    "list of tables",
		"[[a.b]]\nx = 1\n":  "list of tables",
		"a.b = 1\n":         "a.b is not a table",
		"a = [{b = 1}]\n":   "a is not a table",
		"a = {b = \"x\"}\n": "a.b is not a table",
	} {
		_, err := Set([]byte(text), true, "a", "b", "c")
		var refused *RefusedError
		require.True(t, errors.As(err, &refused), "%q: %v", text, err)
		assert.Contains(t, err.Error(), why, text)
	}
	_, err := Set([]byte("a = \n"), true, "a")
	assert.Error(t, err)
	_, err = Set(nil, "a\"b", "a")
	assert.ErrorContains(t, err, "characters")
	_, err = Set(nil, 1.5, "a")
	assert.ErrorContains(t, err, "float64")
}

func TestRemoveStrings(t *testing.T) {
	cri := func(s string) bool { return s == "cri" }
	for before, after := range map[string]string{
		"p = [\"cri\"]":                           "p = []",
		"p = ['cri', 'x'] # y":                    "p = ['x'] # y",
		"p = ['x', 'cri']":                        "p = ['x']",
		"p = ['x', 'cri', 'y']":                   "p = ['x', 'y']",
		"p = ['x','cri','y']":                     "p = ['x','y']",
		"p = [\n  'cri',\n]\n":                    "p = [\n]\n",
		"p = [\n  'x',\n  'cri'\n]\n":             "p = [\n  'x',\n]\n",
		"p = [\n  'cri', # Docker's\n  'x',\n]\n": "p = [\n  # Docker's\n  'x',\n]\n",
		"p = [\n'cri' # a, b\n, 'x']":             "p = [\n # a, b\n 'x']",
		"p = ['cri', 'cri']":                      "p = []",
		"p = ['x']":                               "p = ['x']",
		"q = 1":                                   "q = 1",
		"p = 'cri'":                               "p = 'cri'",
		"p = [1, 'cri']":                          "p = [1]",
	} {
		got, err := RemoveStrings([]byte(before), cri, "p")
		require.NoError(t, err, before)
		assert.Equal(t, after, string(got), before)
	}
}

// Whatever the text, the result is that text with the setting, or an error.
func FuzzSet(f *testing.F) {
	for _, text := range []string{"a.b.c = 1", "[a]\nb = {c = 1}\n", "[[a]]\nb=1", "a = [\"x\", 'y', # z\n]\r\n",
		"\"a\".b = { c = \"\"\"x\"\"\" }", "[a.b]\n\n[x]\n[a]\n"} {
		f.Add(text, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, x, y string) {
		if strings.ContainsRune(x+y, 0xfffd) {
			return
		}
		if got, err := Set([]byte(text), true, x, y); err == nil {
			again, err := Set(got, true, x, y)
			if err != nil || string(again) != string(got) {
				t.Fatalf("%q, then %q: %v", got, again, err)
			}
		}
		_, _ = RemoveStrings([]byte(text), func(s string) bool { return s == y }, x)
	})
}
