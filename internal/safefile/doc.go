// Package safefile reads files that others may have made: a configuration named
// on the command line, a folder of patches, a board's files below a root folder,
// what the kernel shows below /proc and /sys. Such a file can be a FIFO that
// nobody writes to, a device, a link that leads elsewhere, or larger than the
// board's memory. Every read therefore
//
//   - has a limit, above which the file is refused and not cut. [Head] and [Tail]
//     are for files of which a part is wanted;
//   - refuses whatever is not a regular file. The file is looked at before it is
//     opened, because opening alone can do harm: /dev/watchdog, once opened, restarts
//     the board. It is opened with O_NONBLOCK, so that a FIFO put there in between
//     cannot block (open(2)), and looked at again through the descriptor;
//   - below a [Root] resolves symbolic links as a program would that has it for its
//     root folder (chroot(2)): an absolute link leads to the Root's own file. The
//     file is opened through [os.Root], so a link changed in between cannot lead out.
//
// Files of /proc and /sys are regular files of size 0, or of one page, whatever they
// hold. So the size decides only where it is above the limit; otherwise what is
// read is counted.
//
// A regular file can block as well: on a dying disk or a network file system that
// does not answer, and no flag prevents that. [Wait] stops waiting for such a read
// when a context ends; the read itself is left behind and ends with the program.
//
// What this package refuses is a [*RefusedError], which names the file and says
// what can be done. All other errors are those of package os.
//
// Do not use it for files that only root can write and that are written by this
// program in the same run, nor for writing.
package safefile
