// Package docs holds no code, only documents; its tests check that they fit together.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryResultIsListed: docs/results/README.md names every result that is not
// superseded, and the titles of all of them differ.
func TestEveryResultIsListed(t *testing.T) {
	index, err := os.ReadFile("results/README.md")
	require.NoError(t, err)
	titles := map[string]string{}
	for _, path := range glob(t, "results/*.md") {
		name := filepath.Base(path)
		if name == "README.md" {
			continue
		}
		assert.Contains(t, string(index), "("+name+")", "docs/results/README.md has no row for it")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		title, _, _ := strings.Cut(string(text), "\n")
		assert.True(t, strings.HasPrefix(title, "# "), "%s begins with a title", path)
		assert.Empty(t, titles[title], "%s has the title of another result", path)
		titles[title] = path
	}
}

// TestEveryDocumentIsListed: docs/README.md names every document of its folder.
func TestEveryDocumentIsListed(t *testing.T) {
	index, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, path := range glob(t, "*.md") {
		if path != "README.md" {
			assert.Contains(t, string(index), "("+path+")", "docs/README.md does not name it")
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)|<img src="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	code    = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]*`|^    .*?$")
)

// TestLinks: every link in a Markdown file of the repository leads to a file, and to a
// heading where it names one. Addresses on the web are not asked for.
func TestLinks(t *testing.T) {
	for _, path := range markdown(t, "..") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			address := m[1] + m[2]
			target, anchor, _ := strings.Cut(address, "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(to); !assert.NoError(t, err, "%s links to %s", path, address) || anchor == "" {
				continue
			}
			text, err := os.ReadFile(to)
			require.NoError(t, err)
			assert.Contains(t, anchors(string(text)), anchor, "%s links to %s", path, address)
		}
	}
}

// anchors are the names that GitHub gives a document's headings: lower case, blanks as
// hyphens, other punctuation left out.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// markdown are the Markdown files below a folder, but for those that were built or
// fetched.
func markdown(t *testing.T, root string) []string {
	t.Helper()
	others := []string{"bin", "dist", "vendor"}
	var all []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err == nil && entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains(others, name)) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			all = append(all, path)
		}
		return err
	}))
	return all
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	return paths
}
