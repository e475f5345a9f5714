package state

// Reason is why something is refused before anything is changed.
type Reason int

// The reasons.
const (
	ClusterHere Reason = iota + 1
	ForeignManifests
	NoSpace
	Locked
	BadJournal
	// Changed: not what the interrupted run was begun with.
	Changed
	// NotRecorded: there is no interrupted run.
	NotRecorded
	// BadManifest: a staged manifest cannot be put back.
	BadManifest
	// UntrustedProgram: systemd would have to start a program that others than root
	// can replace.
	UntrustedProgram
	// NoCluster: there is no control plane on this board.
	NoCluster
	// Quorum: etcd's members do not answer, or too few would be left.
	Quorum
)

// RefusedError says that something is not begun, why, and what to do about it.
type RefusedError struct {
	Reason Reason
	Err    error
	Help   string
}

// Refuse makes a RefusedError.
func Refuse(reason Reason, err error, hint string) error { return &RefusedError{reason, err, hint} }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *RefusedError) Hint() string { return e.Help }
