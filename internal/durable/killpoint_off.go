//go:build !killpoints

package durable

// KillPoint is nil but in the program that lab/walk builds to have it killed.
func KillPoint() Hook { return nil }
