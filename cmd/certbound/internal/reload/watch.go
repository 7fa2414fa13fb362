package reload

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher hears when a directory entry on the way to one of the files changes.
// Where the system offers no such thing it is silent, and the regular check is all
// there is.
type watcher struct {
	fs      *fsnotify.Watcher // nil when there is none
	events  <-chan fsnotify.Event
	errors  <-chan error
	entries map[string]bool // directory entries that matter, by their real path
}

func newWatcher(logger *slog.Logger) *watcher {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		logger.Warn("reload_watch", "detail", "changed files are noticed at the regular check and not at once: "+err.Error())
		return &watcher{}
	}
	return &watcher{fs: fs, events: fs.Events, errors: fs.Errors}
}

func (w *watcher) close() {
	if w.fs != nil {
		_ = w.fs.Close() // nothing is lost by a failing close
	}
}

// follow watches the directories of all entries on the way to the files, and no
// others. One that cannot be watched is left to the regular check.
func (w *watcher) follow(files []string) {
	if w.fs == nil {
		return
	}
	w.entries = map[string]bool{}
	var wanted []string
	for _, name := range files {
		for _, entry := range trail(name) {
			w.entries[entry] = true
			wanted = append(wanted, filepath.Dir(entry))
		}
	}
	watched := w.fs.WatchList()
	for _, dir := range wanted {
		if !slices.Contains(watched, dir) {
			_ = w.fs.Add(dir)
		}
	}
	for _, dir := range watched {
		if !slices.Contains(wanted, dir) {
			_ = w.fs.Remove(dir) // it may be gone already
		}
	}
}

// relevant tells an entry that matters from its neighbours: the database may be
// one, which changes all the time.
func (w *watcher) relevant(e fsnotify.Event) bool { return w.entries[e.Name] }

// rest lets what happens to neighbours gather, and reports whether something that
// matters was among it. A database that is written to a thousand times a second
// would wake us as often; while nobody takes the events, the system makes one of
// those that are alike.
func (w *watcher) rest(ctx context.Context) (matters bool) {
	end := time.NewTimer(quiet)
	defer end.Stop()
	select {
	case <-end.C:
	case <-ctx.Done():
		return false
	}
	end.Reset(drain)
	for {
		next := time.NewTimer(drain / 10)
		select {
		case e := <-w.events:
			matters = w.relevant(e) || matters
		case <-next.C:
			return matters
		case <-end.C: // there is always more
			return matters
		}
		next.Stop()
	}
}

// settle waits until nothing that matters changes any more, or long enough.
func (w *watcher) settle(ctx context.Context) {
	end := time.NewTimer(patience)
	defer end.Stop()
	pause := time.NewTimer(quiet)
	defer pause.Stop()
	for {
		select {
		case e := <-w.events:
			if w.relevant(e) {
				pause.Reset(quiet)
			}
		case <-pause.C:
			return
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
