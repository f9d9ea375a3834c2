//go:build timing

package password_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/naru-rpc/naru/contrib/auth/password"
	"golang.org/x/crypto/bcrypt"
)

// TestUnknownUsersCostTheSame compares how long a wrong password and an unknown user take, pair by
// pair in changing order. If they do not differ, each is the slower one in half of the pairs; more
// than three standard deviations from that is a difference. It is a test of time and so not among
// the others: go test -tags timing -run CostTheSame ./password
func TestUnknownUsersCostTheSame(t *testing.T) {
	argon, err := password.Hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	bc, err := bcrypt.GenerateFromPassword([]byte("secret"), 10)
	if err != nil {
		t.Fatal(err)
	}
	for name, hash := range map[string]string{"argon2id": argon, "bcrypt": string(bc)} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, "ada:"+hash+"\n", time.Hour)
		users, err := password.Open(path, password.Config{})
		if err != nil {
			t.Fatal(err)
		}
		took := func(user string) float64 {
			began := time.Now()
			users.Check(t.Context(), user, "guess")
			return float64(time.Since(began))
		}
		const pairs = 100
		slower := 0
		var ratios []float64
		for i := range pairs {
			var known, unknown float64
			if i%2 == 0 {
				known = took("ada")
				unknown = took(fmt.Sprint("eve", i))
			} else {
				unknown = took(fmt.Sprint("eve", i))
				known = took("ada")
			}
			if unknown > known {
				slower++
			}
			ratios = append(ratios, unknown/known)
		}
		slices.Sort(ratios)
		t.Logf("%s: unknown users are slower in %d of %d pairs, median ratio %.3f", name, slower, pairs, ratios[pairs/2])
		if d := math.Abs(float64(slower)-pairs/2) / math.Sqrt(pairs/4.0); d > 3 {
			t.Errorf("%s: %d of %d pairs is %.1f standard deviations from half", name, slower, pairs, d)
		}
	}
}
