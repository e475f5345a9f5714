package report

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// Every field and every kind of warning that a report can hold is documented.
func TestSchemaIsDocumented(t *testing.T) {
	text, err := os.ReadFile("schema.md")
	require.NoError(t, err)
	for name := range fieldNames(reflect.TypeFor[Report]()) {
		assert.Regexp(t, "`"+name+"(\\[\\])?`", string(text), "the field %s", name)
	}
	for _, kind := range []string{
		bench.WarnFew, bench.WarnNoisy, bench.WarnDrift, bench.WarnDisturbed, bench.WarnStolen, bench.WarnUnsteady, bench.WarnQuota,
		bench.WarnUndervoltage, bench.WarnThrottled, bench.WarnMemory, bench.WarnInMemory, bench.WarnRandomness, bench.WarnUnfinished,
	} {
		assert.Contains(t, string(text), "`"+kind+"`")
	}
	assert.Contains(t, string(text), Schema)
	assert.Contains(t, string(text), bench.Schema)
}

func fieldNames(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				if name == "" {
					continue // such as the inside of a time.Time
				}
				names[name] = true
				walk(t.Field(i).Type)
			}
		}
	}
	walk(t)
	return names
}
