package dev

// busyError says that another dev has the directory.
type busyError struct{ dir string }

func (e *busyError) Error() string {
	return "dev: another dev is running in " + e.dir + "; stop it, or choose another --dir"
}
