package hwdetect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// byteOrderMark is what some editors put before UTF-8.
const byteOrderMark = "\uFEFF"

// jsonProblem says in the words of the file, not of Go, why it is no JSON or has the
// wrong kind of value, and in which line.
func jsonProblem(text []byte, err error) string {
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")) }
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "it is empty"
	case bytes.HasPrefix(text, []byte(byteOrderMark)):
		return "it begins with a byte order mark (U+FEFF), which JSON does not have"
	case errors.As(err, &syntax):
		what := syntax.Error()
		if strings.HasPrefix(what, "invalid character '/'") || strings.HasPrefix(what, "invalid character '#'") {
			what = "a comment, and JSON has none"
		}
		return fmt.Sprintf("line %d: %s", line(syntax.Offset), what)
	case errors.As(err, &kind):
		name, wanted := kind.Field, "an object"
		switch kind.Type.Kind() {
		case reflect.Slice:
			wanted = "a list"
		case reflect.String:
			wanted = "a string"
		}
		if name == "" {
			name = "it"
		}
		return fmt.Sprintf("line %d: %s has to be %s, not %s", line(kind.Offset), name, wanted, kind.Value)
	}
	return err.Error()
}
