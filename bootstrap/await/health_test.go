package await

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseChecks(t *testing.T) {
	passed, failed := parseChecks("[+]ping ok\n[+]etcd ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason " +
		"withheld\nreadyz check failed\n")
	assert.Equal(t, []string{"ping", "etcd"}, passed)
	assert.Equal(t, []string{"poststarthook/rbac/bootstrap-roles"}, failed)
}

func FuzzParseChecks(f *testing.F) {
	f.Add("[+]ping ok\n[-]etcd failed: reason withheld\n")
	f.Fuzz(func(_ *testing.T, text string) { parseChecks(text) })
}
