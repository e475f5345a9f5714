// Package diagnose looks for what may have made a run fail: lines of the kernel's, the
// kubelet's and the components' logs, memory, disk, power and CPU quota. It changes
// nothing and is not for a board before a run; that is package doctor.
package diagnose
