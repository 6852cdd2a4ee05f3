package blockwriter

import (
	"context"
	"log/slog"
)

// quiet hands on a library's log one level lower: what the database calls
// information is detail to a user of benchkeep. Warnings and errors pass.
type quiet struct{ slog.Handler }

func (q quiet) lower(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, q.lower(l))
}

func (q quiet) Handle(ctx context.Context, rec slog.Record) error {
	rec.Level = q.lower(rec.Level)
	return q.Handler.Handle(ctx, rec)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
