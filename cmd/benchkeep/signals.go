package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signals is how the outside ends the process: the first asks for the finish.
type signals struct {
	first chan os.Signal
}

// sameSignal is the time within which a signal that comes again is the same
// one: timeout(1), for example, sends it to the process and to its group.
const sameSignal = 50 * time.Millisecond

// listenForSignals takes SIGTERM and SIGINT from here on. The second aborts at
// once, whatever is going on: everything acknowledged is in the write-ahead
// log or in a block, so that nothing has to be put in order first.
func listenForSignals(logger *slog.Logger) signals {
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	s := signals{first: make(chan os.Signal, 1)}
	go func() {
		sig := <-caught
		logger.Info("signal received, finishing the run", "signal", sig)
		s.first <- sig
		for since := time.Now(); ; {
			if sig = <-caught; time.Since(since) > sameSignal {
				break
			}
		}
		logger.Error("second signal received, aborting; data is kept on disk", "signal", sig)
		os.Exit(exitAborted)
	}()
	return s
}

// untilSignal gives a context that the first signal ends. The second ends the
// process at once, as if nobody listened.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
