package reload

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// quiet is how long nothing may have changed before files are read: a
	// certificate and its key are replaced one after the other. patience is the
	// longest wait for that.
	quiet    = 100 * time.Millisecond
	patience = time.Second
	// drain is how long the changes of neighbours that have gathered are looked through.
	drain = 10 * time.Millisecond
	// checkEvery is how often files are looked at although nobody has said that
	// they changed: network file systems do not say.
	checkEvery = 10 * time.Second
	// maxPause bounds the checks between two attempts of a reload that failed. It is
	// tried again, because what it failed over need not be a file: the issuer may be
	// away. The pause doubles.
	maxPause = 6
)

// Config says what to reload. File and Apply are required.
type Config struct {
	File string // the configuration

	// Apply reads the configuration, validates the whole, and puts it in force or
	// returns an error and changes nothing. Before it opens a file that the
	// configuration names it hands it to note. It returns the settings that changed.
	Apply func(ctx context.Context, note func(files ...string)) (settings []string, err error)

	Hangup     <-chan os.Signal // each one reloads; nil: none comes
	CheckEvery time.Duration    // how often files are looked at, whatever the system says; 0 means 10 s
	Logger     *slog.Logger     // nil means slog.Default()
	Clock      func() time.Time // nil means time.Now
}

// Stats are the numbers of the reloads so far.
type Stats struct {
	LastSuccess time.Time // when what is in force was read: the start, at first
	OK          bool      // whether the last reload succeeded; true before the first
	Succeeded   uint64
	Failed      uint64
}

// Reloader reloads one process.
type Reloader struct {
	c     Config
	files prints // the content that was tried last

	// Checks until a failed reload is tried again, and after the next failure.
	next, pause int

	mu     sync.Mutex
	stats  Stats
	failed time.Time
	err    error // of the last reload
}

// New makes a Reloader. Make it before the configuration is read for the start,
// and hand it the files of the start with [Reloader.Note] before they are opened:
// a change from then on is not missed.
func New(c Config) *Reloader {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = checkEvery
	}
	r := &Reloader{c: c, files: prints{}, stats: Stats{OK: true, LastSuccess: c.Clock()}}
	r.files.note(c.File)
	return r
}

// Note remembers the present content of files. It is for the start.
func (r *Reloader) Note(files ...string) { r.files.note(files...) }

// Stats returns the numbers.
func (r *Reloader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Probe is an error while the last reload has failed. It has the shape of a
// probe, for one that is advisory.
func (r *Reloader) Probe(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("the reload at %s failed, the configuration read at %s is in force:\n%w",
		r.failed.UTC().Format(time.RFC3339), r.stats.LastSuccess.UTC().Format(time.RFC3339), r.err)
}

// Start reloads in the background until stop is called, which waits for a reload
// under way.
func (r *Reloader) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *Reloader) run(ctx context.Context) {
	w := newWatcher(r.c.Logger)
	defer w.close()
	w.follow(r.files.names())
	check := time.NewTicker(r.c.CheckEvery)
	defer check.Stop()
	r.ifChanged(ctx, w) // before the watch began
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.c.Hangup:
			r.reload(ctx, w, "signal")
			r.ifChanged(ctx, w)
		case e := <-w.events:
			if w.relevant(e) || w.rest(ctx) {
				r.ifChanged(ctx, w)
			}
		case err := <-w.errors: // events were lost
			r.c.Logger.LogAttrs(ctx, slog.LevelWarn, "reload_watch", slog.String("detail", err.Error()))
			r.ifChanged(ctx, w)
		case <-check.C:
			if !r.ifChanged(ctx, w) && r.due() {
				r.reload(ctx, w, "retry")
				r.ifChanged(ctx, w)
			}
			w.follow(r.files.names())
		}
	}
}

// ifChanged reloads as long as files hold something else than what was tried. What
// a reload begins to watch may have changed before it did.
func (r *Reloader) ifChanged(ctx context.Context, w *watcher) (changed bool) {
	for ctx.Err() == nil && len(r.files.changed()) > 0 {
		w.settle(ctx)
		r.reload(ctx, w, "file")
		changed = true
	}
	return changed
}

// due tells at each check whether a failed reload is to be tried again.
func (r *Reloader) due() bool {
	if r.pause == 0 {
		return false
	}
	r.next--
	return r.next <= 0
}

// reload applies what the files say now and keeps the account.
func (r *Reloader) reload(ctx context.Context, w *watcher, trigger string) {
	changed := r.files.changed()
	// Taken before anything is read: what changes meanwhile is a change.
	tried := prints{}
	tried.note(r.c.File)
	settings, err := r.c.Apply(ctx, tried.note)
	if ctx.Err() != nil {
		return // broken off by the end of the process
	}
	if err != nil {
		// Those in force are watched too: what was taken away may come back.
		r.files.note(slices.DeleteFunc(r.files.names(), tried.has)...)
		tried.add(r.files)
	}
	r.files = tried
	switch {
	case err == nil:
		r.pause = 0
	case trigger == "retry":
		r.pause = min(2*r.pause, maxPause)
	default:
		r.pause = 1
	}
	r.next = r.pause
	w.follow(r.files.names())
	r.account(ctx, trigger, settings, changed, err)
}

func (r *Reloader) account(ctx context.Context, trigger string, settings, files []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.c.Clock()
	if err != nil {
		again := trigger == "retry" && r.err != nil && r.err.Error() == err.Error()
		r.stats.OK, r.err, r.failed = false, err, now
		if again {
			return // nothing that was not said before
		}
		r.stats.Failed++
		r.c.Logger.LogAttrs(ctx, slog.LevelError, "reload_failed", slog.String("trigger", trigger), slog.Any("problems", lines(err)),
			slog.String("in_force_since", r.stats.LastSuccess.UTC().Format(time.RFC3339)))
		return
	}
	r.stats.OK, r.err, r.stats.LastSuccess = true, nil, now
	r.stats.Succeeded++
	r.c.Logger.LogAttrs(ctx, slog.LevelInfo, "reloaded", slog.String("trigger", trigger),
		slog.Any("settings", notNil(settings)), slog.Any("files", notNil(files)))
}

// lines takes joined errors apart: those that print as their parts, line by line. An
// error with two causes in one sentence is left whole, place and all.
func lines(err error) (all []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var texts []string
	for _, part := range joined.Unwrap() {
		texts = append(texts, part.Error())
		all = append(all, lines(part)...)
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []string{err.Error()}
	}
	return all
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
