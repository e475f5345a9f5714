package storage

// A Reason says why a request is refused.
type Reason int

// The reasons.
const (
	// Unsuitable: the device, a folder or fstab does not allow it.
	Unsuitable Reason = iota
	// TooSmall: the data does not fit.
	TooSmall
	// Busy: something runs on the data.
	Busy
	// Interrupted: a run was killed and has to be finished or taken back first.
	Interrupted
	// Locked: another run is at work.
	Locked
	// NotMounted: a folder is not on its disk.
	NotMounted
	// ReadOnly: what would be changed cannot be written.
	ReadOnly
	// BadJournal: the journal cannot be read.
	BadJournal
	// NotSetUp: there is nothing to undo.
	NotSetUp
	// Different: two copies of a folder differ, and the owner has to choose.
	Different
	// OtherBoard: what is set up belongs to another board.
	OtherBoard
)

// A RefusedError is a request that was not begun, or of which nothing is left.
type RefusedError struct {
	Reason Reason
	Err    error
	Help   string
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *RefusedError) Hint() string { return e.Help }
