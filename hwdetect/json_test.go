package hwdetect

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

// An owner who does not know Go finds the place in the file.
func TestJSONProblem(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "it is empty",
		"\uFEFF{}":                          "it begins with a byte order mark (U+FEFF), which JSON does not have",
		"[]":                                "line 1: it has to be an object, not array",
		"{\n  // driver\n}":                 "line 2: a comment, and JSON has none",
		"{\n\"exec-opts\": \"x\"\n}":        "line 2: exec-opts has to be a list, not string",
		"{\n\n\"plugins\": [{\"type\":5}]}": "line 3: plugins.type has to be a string, not number",
		"{\n\"exec-opts\": [],\n}":          "line 3: invalid character '}' looking for beginning of object key string",
	} {
		var doc struct {
			ExecOpts []string `json:"exec-opts"`
			Plugins  []struct {
				Type string `json:"type"`
			} `json:"plugins"`
		}
		err := json.Unmarshal([]byte(text), &doc)
		assert.Error(t, err, text)
		assert.Equal(t, want, jsonProblem([]byte(text), err), text)
	}
}
