package hostile

import (
	"fmt"
	"testing"
	"time"
)

// TestDeadlinesAsCallsBegin lets the deadlines of streams pass in the moment in which the server
// begins with them, some thousand times: each ends with one status, and nothing is left of it.
func TestDeadlinesAsCallsBegin(t *testing.T) {
	v := newVictim(t, false)
	p, err := dialPeer(v.addr, make(chan struct{}), false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.read()
	end := time.Now().Add(max(*attackTime, time.Second))
	for round := 0; time.Now().Before(end) && !p.over(); round++ {
		var ids []uint32
		for i := range 100 {
			id := p.id()
			p.headers(id, false, head(bidi, "grpc-timeout", fmt.Sprintf("%dn", 1+i*round%20_000)))
			ids = append(ids, id)
		}
		p.send()
		for _, id := range ids {
			eventually(t, "a stream has ended at its deadline", func() bool { return p.credit.gone(id) })
		}
	}
	if p.over() {
		t.Errorf("the connection ended: %s", p.goAway)
	}
	eventually(t, "no call is open", func() bool { return v.srv.OpenCalls() == 0 })
}
