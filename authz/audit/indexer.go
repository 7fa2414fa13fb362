package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/certbound/certbound/storage"
)

// Queries read what is not indexed yet event by event, so these bound what a query
// costs besides; more at once makes an event's share of the index cheaper.
const (
	indexAfter  = 1024                   // events
	indexEvery  = 500 * time.Millisecond // when there are fewer
	indexAtOnce = 4096                   // events of one transaction, which holds up commits
)

// index lets the events be found fast that are not yet. It is no part of their
// commit: nobody waits for it, and many share its cost.
func (r *Recorder) index() {
	if others := r.appended.Swap(false); len(r.fresh) == 0 && !others {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	for indexed := indexAtOnce; indexed == indexAtOnce; {
		err := r.config.Store.Update(ctx, func(tx storage.Tx) error {
			stream, err := r.stream(ctx, tx)
			if err != nil {
				return err
			}
			indexed, err = tx.IndexAuditEvents(ctx, stream.ID, r.fresh, indexAtOnce)
			return err
		})
		if err != nil {
			r.behind(ctx, err)
			break
		}
	}
	clear(r.fresh) // lets go of their texts
	r.fresh = r.fresh[:0]
}

// behind says that the index could not be written. The next tick tries again, and
// reads what is no longer kept here.
func (r *Recorder) behind(ctx context.Context, err error) {
	r.appended.Store(true)
	r.config.Logger.LogAttrs(ctx, slog.LevelWarn, "audit_index_behind", slog.String("detail", err.Error()))
}

// indexAll indexes what processes left that are no more, of any instance.
func (r *Recorder) indexAll() {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	for left := true; left; {
		err := r.config.Store.Update(ctx, func(tx storage.Tx) error {
			streams, err := tx.AuditStreams(ctx)
			if err != nil {
				return err
			}
			left = false
			for _, stream := range streams {
				if stream.IndexedSeq >= stream.HeadSeq {
					continue
				}
				indexed, err := tx.IndexAuditEvents(ctx, stream.ID, nil, indexAtOnce)
				if err != nil {
					return err
				}
				left = left || indexed == indexAtOnce
			}
			return nil
		})
		if err != nil {
			r.behind(ctx, err)
			return
		}
	}
}
