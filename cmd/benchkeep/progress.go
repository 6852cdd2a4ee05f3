package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// A progressView shows how far a finish is.
type progressView interface {
	show(blockwriter.Status)
	end()
}

// newProgressView gives a bar on a terminal, and lines elsewhere.
func newProgressView(out *os.File) progressView {
	if term.IsTerminal(int(out.Fd())) {
		return &barView{out: out}
	}
	return &lineView{out: out}
}

// lineView prints a line whenever something has changed: a CI log keeps it.
type lineView struct {
	out  io.Writer
	last string
}

func (v *lineView) show(s blockwriter.Status) {
	line := string(s.State)
	if s.State == blockwriter.StateUploading {
		line = fmt.Sprintf("%s: %d of %d blocks, %d of %d bytes", s.State, s.Upload.BlocksDone, s.Upload.Blocks, s.Upload.BytesDone, s.Upload.Bytes)
	}
	if line != v.last {
		fmt.Fprintln(v.out, line)
		v.last = line
	}
}

func (*lineView) end() {}

// barView draws a bar of the bytes uploaded, with rate and time left; before
// there are any it spins beside the state.
type barView struct {
	out       io.Writer
	bar       *progressbar.ProgressBar
	uploading bool
}

func (v *barView) show(s blockwriter.Status) {
	if uploading := s.State == blockwriter.StateUploading && s.Upload.Bytes > 0; v.bar == nil || uploading != v.uploading {
		v.end()
		size := int64(-1)
		if uploading {
			size = s.Upload.Bytes
		}
		v.uploading = uploading
		v.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(v.out), progressbar.OptionShowBytes(uploading),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	}
	if !v.uploading {
		v.bar.Describe(string(s.State))
		v.bar.Add(1) //nolint:errcheck // a terminal that is gone is no reason to stop
		return
	}
	v.bar.Describe(fmt.Sprintf("%s block %d of %d", s.State, min(s.Upload.BlocksDone+1, s.Upload.Blocks), s.Upload.Blocks))
	v.bar.Set64(s.Upload.BytesDone) //nolint:errcheck // as above
}

func (v *barView) end() {
	if v.bar != nil {
		v.bar.Finish() //nolint:errcheck // as above
		v.bar = nil
	}
}
