package faults
import ("testing";"fmt";"strings";"github.com/benchkeep/benchkeep/test/harness")
func TestX(t *testing.T) {
	for _, c := range [][]int{{40},{100},{170},{40,40},{40,1,1},{100,1},{50,50,50},{100,100},{300},{300,10}} {
		t.Run(strings.Trim(strings.ReplaceAll(fmt.Sprint(c)," ","-"),"[]"), func(t *testing.T){
			t.Parallel()
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			r := startRun(t, dir, bucket, "x")
			s := harness.NewSender(t, r, harness.RemoteWriteV2)
			tr := newTraffic(12)
			for _, n := range c {
				for range n { s.Send(tr.next()...) }
				r.Kill(); r = restart(t, r); s.Retry()
			}
			s.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, "x", s)
		})
	}
}
