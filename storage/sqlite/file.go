package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

// magic starts every SQLite file.
const magic = "SQLite format 3\x00"

// headerSize is that of the file header: the smallest a database can be is a
// page, and it starts with this.
const headerSize = 100

// prepareFile makes sure that path is, or may become, a database. SQLite itself
// would report most of what is refused here later and in fewer words, or, for a
// file cut short, only when the missing page is asked for.
func prepareFile(ctx context.Context, path string, logger *slog.Logger) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	// Client registrations are nobody else's business, so others may not read it.
	// SQLite gives its journal files the same mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("sqlite: open database: %w", err) // names the path
	}
	err = checkFile(f)
	if err == nil {
		err = warnExposed(ctx, f, logger)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("sqlite: open database %s: %w", path, err)
	}
	return path, nil
}

// warnExposed says that a file which was there before lets its group or others
// in. It is no reason to stop: private keys in it are sealed, and backups and
// monitoring may read it on purpose.
func warnExposed(ctx context.Context, f *os.File, logger *slog.Logger) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		logger.LogAttrs(ctx, slog.LevelWarn, "database_exposed", slog.String("path", f.Name()),
			slog.String("detail", fmt.Sprintf("its mode is %04o: its group or others may access it (chmod 600)", mode)))
	}
	return nil
}

var (
	errNotDatabase = errors.New("it is not a SQLite database")
	errTruncated   = errors.New("it is truncated: restore it from a backup")
)

func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if info.Size() == 0 {
		return nil // new, or made by a start that died at once
	}
	header := make([]byte, headerSize)
	n, err := io.ReadFull(f, header)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if pending(f.Name()) {
		// Until the journal is folded in, the file alone may be behind its header.
		return checkHeader(header[:n], maxInt64)
	}
	return checkHeader(header[:n], info.Size())
}

const maxInt64 = 1<<63 - 1

// pending reports whether SQLite has a journal to fold into the file.
func pending(path string) bool {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// checkHeader compares the header of a database with the size of its file
// (https://www.sqlite.org/fileformat2.html §1.3).
func checkHeader(header []byte, size int64) error {
	if len(header) < len(magic) || string(header[:len(magic)]) != magic {
		return errNotDatabase
	}
	if len(header) < headerSize {
		return errTruncated
	}
	pageSize := int64(binary.BigEndian.Uint16(header[16:]))
	if pageSize == 1 { // 65536 does not fit
		pageSize = 65536
	}
	pages := int64(binary.BigEndian.Uint32(header[28:]))
	// The page count is only meant when it was written with the last change.
	counted := binary.BigEndian.Uint32(header[24:]) == binary.BigEndian.Uint32(header[92:])
	if counted && pages*pageSize > size {
		return errTruncated
	}
	return nil
}
