package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/credentials"
)

// header returns what a call would send.
func header(t *testing.T, ctx context.Context, c credentials.PerRPC) (string, error) {
	t.Helper()
	pairs, err := c.GetRequestMetadata(ctx, "https://a/b")
	return pairs["authorization"], err
}

// TestTokensAreShared: many calls wait for one request, and one that gives up does not end it for
// the others.
func TestTokensAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tokens := credentials.NewTokens("the test", func(ctx context.Context) (credentials.Token, error) {
			asked.Add(1)
			select {
			case <-time.After(time.Second):
				return credentials.Token{Value: "one", Expiry: time.Now().Add(time.Hour)}, nil
			case <-ctx.Done():
				return credentials.Token{}, ctx.Err()
			}
		})
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := header(t, short, tokens); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the test") {
				t.Errorf("a call that ends: %v", err)
			}
		})
		for range 100 {
			wg.Go(func() {
				if h, err := header(t, t.Context(), tokens); h != "Bearer one" || err != nil {
					t.Errorf("%q, %v", h, err)
				}
			})
		}
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

// TestTokensAreReplacedAhead: no call waits for a token while the one before is valid, and none is
// sent that has expired.
func TestTokensAreReplacedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked int
		var failing atomic.Bool
		tokens := credentials.NewTokens("the test", func(ctx context.Context) (credentials.Token, error) {
			time.Sleep(2 * time.Second)
			if failing.Load() {
				return credentials.Token{}, errors.New("down")
			}
			asked++
			return credentials.Token{Value: fmt.Sprint(asked), Type: "Token", Expiry: time.Now().Add(10 * time.Minute)}, nil
		})
		if h, err := header(t, t.Context(), tokens); h != "Token 1" || err != nil {
			t.Fatalf("%q, %v", h, err)
		}
		start := time.Now()
		seen := map[string]bool{}
		for time.Since(start) < time.Hour {
			before := time.Now()
			h, err := header(t, t.Context(), tokens)
			if err != nil || time.Since(before) != 0 {
				t.Fatalf("after %v: %v, having waited %v", time.Since(start), err, time.Since(before))
			}
			seen[h] = true
			time.Sleep(time.Second)
		}
		if len(seen) < 7 || len(seen) > 10 {
			t.Errorf("%d tokens of 10 minutes in an hour, want one each 6.7 to 8 minutes", len(seen))
		}

		failing.Store(true)
		outage := time.Now()
		for {
			h, err := header(t, t.Context(), tokens)
			if err != nil {
				break
			}
			if h == "" || time.Since(outage) > 10*time.Minute {
				t.Fatalf("%q is sent %v after the last answer", h, time.Since(outage))
			}
			time.Sleep(time.Second)
		}
		if lasted := time.Since(outage); lasted < 90*time.Second {
			t.Errorf("an outage is felt after %v, want as long as the token is valid", lasted)
		}
		failing.Store(false)
		time.Sleep(time.Minute)
		if h, err := header(t, t.Context(), tokens); err != nil {
			t.Errorf("after the outage: %q, %v", h, err)
		}
	})
}

// TestTokenFailures: callers get the error, and requests keep a distance.
func TestTokenFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tokens := credentials.NewTokens("https://issuer/token", func(context.Context) (credentials.Token, error) {
			asked.Add(1)
			return credentials.Token{}, errors.New("down")
		})
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			if _, err := header(t, t.Context(), tokens); err == nil || err.Error() != "no token from https://issuer/token: down" {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := asked.Load(); n < 14 || n > 22 {
			t.Errorf("%d requests in 10 minutes of failure, want about 16", n)
		}
	})
	for _, bad := range []credentials.Token{
		{}, {Value: "a b"}, {Value: "a\n"}, {Value: "a", Type: "x y"}, {Value: "a", Expiry: time.Unix(1, 0)},
	} {
		tokens := credentials.NewTokens("x", func(context.Context) (credentials.Token, error) { return bad, nil })
		if h, err := header(t, t.Context(), tokens); err == nil {
			t.Errorf("%#v: %q is sent", bad, h)
		}
	}
	tokens := credentials.NewTokens("x", func(context.Context) (credentials.Token, error) { panic("source") })
	if _, err := header(t, t.Context(), tokens); err == nil || !strings.Contains(err.Error(), "panic: source") {
		t.Errorf("a source that panics: %v", err)
	}
}

func TestTokensRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		tokens := credentials.NewTokens("x", func(context.Context) (credentials.Token, error) {
			n++
			return credentials.Token{Value: fmt.Sprint(n)}, nil
		})
		first, err := header(t, t.Context(), tokens)
		if err != nil {
			t.Fatal(err)
		}
		if tokens.Refresh(first) {
			t.Error("a token that was fetched this moment is dropped")
		}
		time.Sleep(time.Second)
		for range 2 { // two calls that it was refused
			if !tokens.Refresh(first) {
				t.Error("a refused token is not dropped")
			}
		}
		if second, err := header(t, t.Context(), tokens); second != "Bearer 2" || err != nil || !tokens.Refresh(first) {
			t.Errorf("%q, %v", second, err)
		}
		if again, _ := header(t, t.Context(), tokens); again != "Bearer 2" {
			t.Errorf("a token that was not refused is dropped: %q", again)
		}
	})
	token := credentials.Token{Value: "hunter2"}
	if s := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); strings.Contains(s, "hunter2") {
		t.Errorf("a token prints as %s", s)
	}
}

func TestBearerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "\n", "a b", "a\nb\n", strings.Repeat("a", 70_000)} {
		write(bad, time.Hour)
		if _, err := credentials.BearerFile(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	write("one\n", time.Hour)
	var reports []string
	c, err := credentials.BearerFile(path, func(err error) { reports = append(reports, fmt.Sprint(err)) })
	if err != nil {
		t.Fatal(err)
	}
	want := func(token string) {
		t.Helper()
		if h, err := header(t, t.Context(), c); h != "Bearer "+token || err != nil {
			t.Errorf("%q, %v; want %s", h, err, token)
		}
	}
	want("one")
	if c.Refresh("Bearer one") {
		t.Error("there is another token, though the file is the same")
	}
	write("hal", 0) // perhaps half written
	if c.Refresh("Bearer one") {
		t.Error("a file that is being written is used")
	}
	write("bad token", time.Minute)
	c.Refresh("Bearer one")
	c.Refresh("Bearer one")
	want("one")
	write("two", 50*time.Second)
	if !c.Refresh("Bearer one") {
		t.Error("a new token is not seen")
	}
	want("two")
	if len(reports) != 2 || !strings.Contains(reports[0], "offset 3") || strings.Contains(reports[0], "bad") || reports[1] != "<nil>" {
		t.Errorf("reports %q", reports)
	}
}
