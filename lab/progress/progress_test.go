package progress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWhatIsLeftOfABuild(t *testing.T) {
	var p Counter
	assert.Empty(t, p.left(time.Minute), "nothing is known yet")
	p.Most.Store(1600)
	assert.Empty(t, p.left(time.Minute))
	p.Done.Store(400)
	assert.Equal(t, "; 400 of at most 1600 packages, at most 3m0s left at this rate", p.left(time.Minute))
	p.Done.Store(1600)
	assert.Empty(t, p.left(time.Minute), "the linker is left")
}
