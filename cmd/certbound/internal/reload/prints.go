package reload

import (
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
)

// prints is what files held when they were last looked at.
type prints map[string][sha256.Size]byte

// note looks at files.
func (p prints) note(files ...string) {
	for _, name := range files {
		p[name] = sum(name)
	}
}

// add takes over what o knows and p does not.
func (p prints) add(o prints) {
	for name, was := range o {
		if !p.has(name) {
			p[name] = was
		}
	}
}

func (p prints) has(name string) bool {
	_, ok := p[name]
	return ok
}

func (p prints) names() []string { return slices.Sorted(maps.Keys(p)) }

// changed returns the files that hold something else than when they were noted.
func (p prints) changed() (names []string) {
	for _, name := range p.names() {
		if sum(name) != p[name] {
			names = append(names, name)
		}
	}
	return names
}

// sum is a digest of a file's content, or of the reason why it cannot be read: a
// file that appears, or may be read from now on, has changed too.
func sum(name string) [sha256.Size]byte {
	content, err := read(name)
	if err != nil {
		return sha256.Sum256([]byte("error " + err.Error()))
	}
	h := sha256.New()
	h.Write([]byte("content "))
	h.Write(content)
	return [sha256.Size]byte(h.Sum(nil))
}

// read reads regular files only: a pipe (`--config <(…)`) can be read once, and
// not by us.
func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// maxSize bounds what of a file is looked at. A configuration and what it names
// are far smaller.
const maxSize = 64 << 20
