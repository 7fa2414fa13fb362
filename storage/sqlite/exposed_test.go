package sqlite_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/certbound/certbound/storage/sqlite"
)

// An existing database that others may read is opened, and said so.
func TestExposedFile(t *testing.T) {
	for mode, want := range map[os.FileMode]string{
		0o600: "",
		0o640: "its mode is 0640: its group or others may access it (chmod 600)",
		0o606: "its mode is 0606: its group or others may access it (chmod 600)",
	} {
		path := fill(t)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		var line struct{ Level, Msg, Path, Detail string }
		if want != "" {
			if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
				t.Errorf("mode %04o: log %q: %v", mode, log.String(), err)
			}
			if line.Level != "WARN" || line.Msg != "database_exposed" || line.Path != path || line.Detail != want {
				t.Errorf("mode %04o: logged %+v, want %s", mode, line, want)
			}
		} else if log.Len() > 0 {
			t.Errorf("mode %04o: logged %s", mode, log.String())
		}
	}
}
