package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		err = report(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options say what is measured.
type options struct {
	// root is the repository's root, where the programs are.
	root string
	// peers are their names; none are all that are installed.
	peers     []string
	protocols []string
	workload  workload
}

func parseOptions(args []string) (options, error) {
	o := options{root: ".."}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.workload.series, "series", 100_000, "series that are sent at a time")
	f.IntVar(&o.workload.samples, "samples", 40, "samples of each series, 15 s apart")
	f.IntVar(&o.workload.senders, "senders", 4, "senders, each with a connection and a part of the series")
	f.Float64Var(&o.workload.churn, "churn", 0, "share of the series that new ones replace at each scrape, below 1")
	f.BoolVar(&o.workload.histograms, "histograms", false, "send native histograms of 30 buckets, not floats")
	protocols := f.String("protocols", "1.0,2.0", "versions of remote write, separated by commas")
	names := f.String("peers", "", "peers, separated by commas: "+strings.Join(peerNames(), ", ")+" (default all; victoriametrics where installed)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.protocols = strings.Split(*protocols, ",")
	if *names != "" {
		o.peers = strings.Split(*names, ",")
	}
	return o, o.validate(f.Args())
}

func (o options) validate(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	for _, p := range o.protocols {
		if p != remoteWrite1 && p != remoteWrite2 {
			return fmt.Errorf("-protocols: %q is neither %s nor %s", p, remoteWrite1, remoteWrite2)
		}
	}
	return o.workload.validate()
}

// report measures, and prints the tables of each version of remote write as
// soon as they are there.
func report(ctx context.Context, o options) error {
	peers, err := choosePeers(o)
	if err != nil {
		return err
	}
	machine, err := describeMachine(ctx, peers)
	if err != nil {
		return err
	}
	fmt.Print(machine)
	for _, protocol := range o.protocols {
		w := o.workload
		w.protocol = protocol
		results, err := measureAll(ctx, peers, w)
		if err != nil {
			return err
		}
		var tables strings.Builder
		writeTables(&tables, w, results)
		fmt.Print(tables.String())
	}
	return nil
}

// measureAll measures the peers that take the workload, one after the other,
// in a folder that is removed afterwards unless something has failed.
func measureAll(ctx context.Context, peers []peer, w workload) (results []result, err error) {
	dir, err := os.MkdirTemp("", "benchkeep-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w (logs and data are kept in %s)", err, dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	say("%s: encoding the requests", w)
	l, err := encodeLoad(ctx, dir, w)
	if err != nil {
		return nil, err
	}
	defer l.close()
	for _, p := range peers {
		if !p.takes(w) {
			continue
		}
		say("%s: %s", w, p.title)
		own := filepath.Join(dir, p.name)
		r, err := measure(ctx, p, l, own)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.title, err)
		}
		results = append(results, r)
		if err := os.RemoveAll(own); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
