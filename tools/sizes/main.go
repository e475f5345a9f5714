// Command sizes checks that the sources stay readable: no function longer than 70 lines, no
// line longer than 120 columns, no package of more than 25 files. Tables are excepted: the
// rows of slices and maps count for neither, nor do raw strings. A tab is one column.
//
//	sizes DIR...
//
// It prints what breaks a rule, and then exits with 1.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxFunction = 70  // lines
	maxLine     = 120 // columns
	maxPackage  = 25  // files that are no tests
)

func main() {
	found, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sizes:", err)
		os.Exit(2)
	}
	counts := map[string]int{}
	for _, f := range found {
		counts[f.rule]++
		fmt.Println(f.text)
	}
	for _, rule := range []string{functionRule, lineRule, packageRule} {
		if counts[rule] > 0 {
			fmt.Printf("%d %s\n", counts[rule], rule)
		}
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

type finding struct{ rule, text string }

const (
	functionRule = "functions longer than 70 lines"
	lineRule     = "lines longer than 120 columns"
	packageRule  = "packages of more than 25 files"
)

// check looks through the Go files below folders.
func check(roots []string) ([]finding, error) {
	var found []finding
	files := map[string]int{}
	skipped := []string{"testdata", "vendor", "dist", "bin"}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch name := d.Name(); {
			case err != nil:
				return err
			case d.IsDir() && path != root && (name[0] == '.' || slices.Contains(skipped, name)):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go"):
				return nil
			}
			if !strings.HasSuffix(path, "_test.go") {
				files[filepath.Dir(path)]++
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			more, err := checkFile(path, text)
			found = append(found, more...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for dir, n := range files {
		if n > maxPackage {
			found = append(found, finding{packageRule, fmt.Sprintf("%s: %d files", dir, n)})
		}
	}
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.text, b.text) })
	return found, nil
}

func checkFile(path string, text []byte) ([]finding, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	line := func(p token.Pos) int { return set.Position(p).Line }
	table := tableLines(file, line)
	var found []finding
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		lines := 0
		for i := line(f.Pos()); i <= line(f.End()); i++ {
			if !table[i] {
				lines++
			}
		}
		if lines > maxFunction {
			where := fmt.Sprintf("%s:%d: %s", path, line(f.Pos()), f.Name.Name)
			found = append(found, finding{functionRule, fmt.Sprintf("%s has %d lines", where, lines)})
		}
	}
	for i, s := range strings.Split(string(text), "\n") {
		if n := utf8.RuneCountInString(s); n > maxLine && !table[i+1] && !strings.HasPrefix(s, "//go:") {
			found = append(found, finding{lineRule, fmt.Sprintf("%s:%d: %d columns", path, i+1, n)})
		}
	}
	return found, nil
}

// tableLines are the lines of a file that belong to tables.
func tableLines(file *ast.File, line func(token.Pos) int) map[int]bool {
	table := map[int]bool{}
	mark := func(from, to token.Pos, is bool) {
		for i := line(from); i <= line(to); i++ {
			table[i] = is
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			switch n.Type.(type) {
			case *ast.ArrayType, *ast.MapType:
				if line(n.End())-line(n.Pos()) > 2 {
					mark(n.Pos(), n.End(), true)
				}
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && n.Value[0] == '`' {
				mark(n.Pos(), n.End(), true)
			}
		case *ast.FuncLit: // code, even where it stands in a table
			if line(n.End()) > line(n.Pos()) {
				mark(n.Pos(), n.End(), false)
			}
		}
		return true
	})
	return table
}
