package matrix

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// followSizes are those of messages behind each other: around the windows that streams begin with,
// their halves and quarters, where what is announced of a window that a message has used depends on
// the next one.
var followSizes = []int{0, 5_000, 20_000, 32_700, 40_000, 41_000, 49_000, 60_000, 65_500, 66_000, 82_000, 100_000, 200_000}

// TestMessagesThatFollow echoes three messages, of every pair of sizes, on streams of their own.
func TestMessagesThatFollow(t *testing.T) {
	sec := newSecurity(t)
	echo := func(c pair.ServerCall) error {
		for {
			m, err := c.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.Send(m); err != nil {
				return err
			}
		}
	}
	var bad failures
	rows := 0
	for _, c := range combinations() {
		srv := c.serve(t, sec, pair.ServerConfig{Handler: echo})
		client, err := c.dial(sec, pair.ClientConfig{Server: srv})
		if err != nil {
			t.Fatal(err)
		}
		for _, first := range followSizes {
			for _, second := range followSizes {
				rows++
				follow(&bad, client, fmt.Sprintf("%s: %d, %d and %d bytes", c, first, second, first), first, second)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := srv.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	}
	bad.report(t, rows)
}

func follow(bad *failures, client pair.ClientConn, row string, first, second int) {
	if !selected.MatchString(row) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	messages := []string{strings.Repeat("a", first), strings.Repeat("b", second), strings.Repeat("c", first)}
	res := client.Do(ctx, pair.Request{Kind: pair.Bidi, Messages: messages})
	switch {
	case res.Code != codes.OK:
		bad.add(row, fmt.Sprintf("%v %.160q", res.Code, res.Message), "OK", "another status")
	case !slices.Equal(res.Messages, messages):
		bad.add(row, fmt.Sprintf("%d messages", len(res.Messages)), "3, as they were sent", "wrong bytes")
	}
}
