package main

import (
	"encoding/json"
	"log/slog"
	"os"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// terminationLog is where Kubernetes reads a container's last words from.
const terminationLog = "/dev/termination-log"

// conclude lets go of the run, leaves a summary for Kubernetes, and turns how
// the finish ended into the exit code.
func conclude(logger *slog.Logger, run *blockwriter.Run, finishErr error) int {
	if err := run.Close(); err != nil {
		logger.Warn("storage path was not closed in order", "err", err)
	}
	if err := writeTerminationLog(terminationLog, run.Status()); err != nil {
		logger.Debug("no summary for Kubernetes", "err", err)
	}
	if finishErr != nil {
		logger.Error("not everything is in the bucket; complete it with `benchkeep resume` on the same --storage.path", "err", finishErr)
		return exitNotSafe
	}
	return exitOK
}

// writeTerminationLog writes the summary if the file is there: elsewhere than
// on Kubernetes it must not be made.
func writeTerminationLog(path string, status blockwriter.Status) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	status.Blocks = nil // Kubernetes keeps 4 KiB
	if err := json.NewEncoder(f).Encode(status); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
