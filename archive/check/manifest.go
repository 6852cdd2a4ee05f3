package check

import (
	"path"
	"strings"

	"github.com/benchkeep/benchkeep/archive"
)

// checkManifest holds a manifest to what it says itself.
func (c *check) checkManifest(p *part) {
	wrong := func(format string, args ...any) { c.add(ManifestWrong, p.object, format, args...) }
	if p.Version < 1 {
		wrong("version is %d", p.Version)
	}
	if p.Run != c.run.ID {
		wrong("run is %q", p.Run)
	}
	if want := strings.TrimSuffix(path.Base(p.object), ".json"); p.Part != want {
		wrong("part is %q", p.Part)
	}
	if p.Labels[archive.LabelRun] != c.run.ID {
		wrong("labels say that %s is %q", archive.LabelRun, p.Labels[archive.LabelRun])
	}
	switch p.State {
	case archive.StateArchived:
		checkAccount(p, wrong)
	case archive.StateRunning, archive.StateFailed:
		if p.Complete {
			wrong("complete is true, and the state is %s", p.State)
		}
	default:
		wrong("state is %q", p.State)
	}
}

// checkAccount checks that the account of an archived part is closed.
func checkAccount(p *part, wrong func(string, ...any)) {
	var rejected, listed int64
	for _, n := range p.Rejected {
		rejected += n
	}
	for _, l := range p.listings {
		listed += int64(l.entry.Stats.NumSamples)
	}
	if p.Archived != p.Written {
		wrong("archived is %d, written is %d", p.Archived, p.Written)
	}
	if p.Archived != listed {
		wrong("archived is %d, the listed blocks have %d samples", p.Archived, listed)
	}
	if in, out := p.Received+p.StartTimestamps, p.Written+p.Duplicates+rejected; in != out {
		wrong("received and startTimestamps make %d, written, duplicates and rejected make %d", in, out)
	}
	if p.Complete != (rejected == 0) {
		wrong("complete is %t, and %d samples were rejected", p.Complete, rejected)
	}
	switch {
	case p.Finished == nil:
		wrong("state is archived, and finished is missing")
	case p.Finished.Before(p.Started):
		wrong("finished %s is before started %s", p.Finished, p.Started)
	}
}
