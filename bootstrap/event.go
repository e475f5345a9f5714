package bootstrap

import "time"

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	StepBegun   EventKind = "begun"
	StepWaiting EventKind = "waiting"
	StepDone    EventKind = "done"
	StepFailed  EventKind = "failed"
	Note        EventKind = "note"
)

// An Event is something to show to the owner while a plan is carried out. How it
// is shown is for the caller to decide.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// Number counts steps from 1, Total is how many there are.
	Number int    `json:"number,omitempty"`
	Total  int    `json:"total,omitempty"`
	Step   string `json:"step,omitempty"`
	// Elapsed is the time since the step began, Expect the predicted time.
	Elapsed time.Duration `json:"elapsedNanoseconds,omitempty"`
	Expect  time.Duration `json:"expectNanoseconds,omitempty"`
	Detail  string        `json:"detail,omitempty"`
}
