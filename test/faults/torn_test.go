package faults

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// Logs below the storage path: of all samples, and of those that are late.
const (
	writeAheadLog  = "wal"
	writeBehindLog = "wbl"
)

// TestTornLog kills benchkeep while it is idle and puts behind its logs what a
// crash in the middle of a write leaves there. Nothing of that was ever
// acknowledged, so nothing may be missing: of the late samples, which have a
// log of their own, as little as of the others.
func TestTornLog(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name string
		logs []string
		junk []byte
	}{
		{"half-record-in-wal", []string{writeAheadLog}, halfRecord()},
		{"half-record-in-wbl", []string{writeBehindLog}, halfRecord()},
		{"half-record-in-both", []string{writeAheadLog, writeBehindLog}, halfRecord()},
		{"half-header-in-wal", []string{writeAheadLog}, halfRecord()[:3]},
		{"garbage-in-wal", []string{writeAheadLog}, bytes.Repeat([]byte{0xa5, 1, 0xff, 0x5a}, 500)},
		{"garbage-in-wbl", []string{writeBehindLog}, bytes.Repeat([]byte{0xa5, 1, 0xff, 0x5a}, 500)},
		{"zeros-in-both", []string{writeAheadLog, writeBehindLog}, make([]byte, 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := "torn-" + c.name
			bucket := server.Another(t, dir, run)
			r := startRun(t, dir, bucket, run)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			tr := newTraffic(4)
			send(sender, tr, 50)
			r.Kill()
			r.Wait()
			for _, log := range c.logs {
				tear(t, r, log, func(segment []byte) []byte { return append(segment, c.junk...) })
			}
			r = restart(t, r)
			// What was mended has to hold when it is needed once more.
			send(sender, tr, 30)
			r.Kill()
			r = restart(t, r)
			send(sender, tr, 10)
			sender.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, run, sender)
		})
	}
}

// TestTruncatedLog destroys the last record of a log, as a disk may that loses
// power. What the record held was acknowledged and cannot come back; all the
// rest has to.
func TestTruncatedLog(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, log := range []string{writeAheadLog, writeBehindLog} {
		t.Run(log, func(t *testing.T) {
			t.Parallel()
			run := "truncated-" + log
			bucket := server.Another(t, dir, run)
			r := startRun(t, dir, bucket, run)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			tr := newTraffic(4)
			send(sender, tr, 50)
			// The victim is the last write, in order or late, of known series.
			at := tr.start + tr.n*trafficStep
			if log == writeBehindLog {
				at -= hour - 13 // no sample has this time
			}
			victim := []harness.TimeSeries{float("in_order", 0, at)}
			sender.Resend(victim...)
			sender.Unknown = append(sender.Unknown, victim)
			r.Kill()
			r.Wait()
			tear(t, r, log, func(segment []byte) []byte { return segment[:len(segment)-2] })
			r = restart(t, r)
			sender.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, run, sender)
		})
	}
}

// send sends the next n batches.
func send(s *harness.Sender, tr *traffic, n int) {
	for range n {
		s.Send(tr.next()...)
	}
}

// tear changes the last segment of a log that has something in it.
func tear(t *testing.T, r *harness.Receiver, log string, change func([]byte) []byte) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(r.Storage, "tsdb", log, "[0-9]*"))
	if err != nil {
		t.Fatalf("list segments: %v", err)
	}
	for _, path := range slices.Backward(segments) {
		segment, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read segment: %v", err)
		}
		if len(segment) == 0 {
			continue
		}
		if err := os.WriteFile(path, change(segment), 0o600); err != nil {
			t.Fatalf("write segment: %v", err)
		}
		return
	}
	t.Fatalf("%s has no segment with anything in it", log)
}

// halfRecord is the beginning of a log record, the rest of which never made it
// to the disk: type, length and checksum, then less data than the length says.
//
// Source: Prometheus' tsdb/docs/format/wal.md.
func halfRecord() []byte {
	const full, length = 1, 200
	rec := binary.BigEndian.AppendUint16([]byte{full}, length)
	rec = binary.BigEndian.AppendUint32(rec, 0x01020304)
	return append(rec, bytes.Repeat([]byte{7}, length/4)...)
}
