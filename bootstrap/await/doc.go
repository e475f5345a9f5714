// Package await waits until a component is healthy, for as long as something moves: it
// observes (process, logs, health endpoint), judges without a deadline, and pauses the
// kubelet while the API server starts.
package await
