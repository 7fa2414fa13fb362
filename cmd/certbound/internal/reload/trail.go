package reload

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks bounds the symbolic links on the way to one file, as the system does.
const maxLinks = 40

// trail returns the directory entries that decide what a name stands for: each
// symbolic link on the way, and the file; or, when the way ends before, the entry
// that is missing. Their directories are real ones. Kubernetes, for one, mounts
// tls.crt → ..data/tls.crt and ..data → ..2026_11_22, and swaps the second link.
func trail(name string) (entries []string) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil
	}
	root := filepath.VolumeName(abs) + string(filepath.Separator)
	dir, rest, links := root, split(abs[len(root):]), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == ".." {
			dir = filepath.Dir(dir)
			continue
		}
		entry := filepath.Join(dir, part)
		info, err := os.Lstat(entry)
		switch {
		case err != nil:
			return append(entries, entry)
		case info.Mode()&os.ModeSymlink == 0:
			if dir = entry; len(rest) == 0 {
				entries = append(entries, entry)
			}
			continue
		}
		entries = append(entries, entry)
		target, err := os.Readlink(entry)
		if links++; err != nil || links > maxLinks {
			return entries
		}
		if filepath.IsAbs(target) {
			dir = root
		}
		rest = slices.Concat(split(target), rest)
	}
	return entries
}

// split returns the parts of a path that name something.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(filepath.ToSlash(path), "/"), func(s string) bool { return s == "" || s == "." })
}
