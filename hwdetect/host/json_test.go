package host

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// An owner who does not know Go finds the place in the file.
func TestJSONProblem(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  " it is empty",
		"\uFEFF{}":                          " it begins with a byte order mark (U+FEFF), which JSON does not have",
		"[]":                                "1: it has to be an object, not array",
		"{\n  // driver\n}":                 "2: a comment, and JSON has none",
		"{\n\"exec-opts\": \"x\"\n}":        "2: exec-opts has to be a list, not string",
		"{\n\n\"plugins\": [{\"type\":5}]}": "3: plugins.type has to be a string, not number",
		"{\n\"exec-opts\": [],\n}":          "3: invalid character '}' looking for beginning of object key string",
	} {
		var doc struct {
			ExecOpts []string `json:"exec-opts"`
			Plugins  []struct {
				Type string `json:"type"`
			} `json:"plugins"`
		}
		err := json.Unmarshal([]byte(text), &doc)
		assert.Error(t, err, text)
		assert.Equal(t, want, strings.TrimPrefix(jsonProblem("/f", []byte(text), err).Error(), "/f:"), text)
	}
}
