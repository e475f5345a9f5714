package fault

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCatch(t *testing.T) {
	broken := func(list []int) (err error) {
		defer Catch(&err)
		list[7] = 1
		return nil
	}
	err := broken(nil)
	var fault *Error
	assert.ErrorAs(t, err, &fault)
	assert.Regexp(t, `^a fault in kubeadm-arm itself, at fault/fault_test.go:\d+: runtime error: index out of range`, err.Error())
	assert.NotEmpty(t, fault.Hint())
	assert.NoError(t, broken(make([]int, 8)))
}
