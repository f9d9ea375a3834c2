package password_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/contrib/auth/password"
	"golang.org/x/crypto/bcrypt"
)

// write makes a file that was last written age ago.
func write(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	argon, err := password.Hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 72)
	bc, err := bcrypt.GenerateFromPassword([]byte(long), 10)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, fmt.Sprintf("# people\n\nada:%s:staff,admin\nbob:%s\n", argon, bc), time.Minute)
	users, err := password.Open(path, password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, password string
		ok             bool
	}{
		{"ada", "secret", true}, {"ada", "Secret", false}, {"ada", "", false}, {"ada", strings.Repeat("x", 2000), false},
		{"bob", long, true}, {"bob", long + "x", false}, {"bob", "secret", false}, {"eve", "secret", false}, {"", "secret", false},
		{"ADA", "secret", false}, {"ada\x00", "secret", false},
	} {
		caller, err := users.Check(t.Context(), c.user, c.password)
		if (err == nil) != c.ok || err != nil && err != auth.ErrWrongPassword {
			t.Errorf("%q, %.10q: %v", c.user, c.password, err)
		}
		if c.ok && (caller.Subject != c.user || caller.InGroup("admin") != (c.user == "ada")) {
			t.Errorf("%q: caller %+v", c.user, caller)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.Check(ctx, "ada", "secret"); err != nil && err != context.Canceled {
		t.Errorf("a call that has ended: %v", err)
	}
}

func TestFileFaults(t *testing.T) {
	argon, err := password.Hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	for line, want := range map[string]string{
		"ada": "want NAME:HASH", ":" + argon: "want NAME:HASH", "ada:" + argon + ":a:b": "want NAME:HASH",
		"ada:secret": "neither", "ada:$apr1$x$y": "neither", "ada:$argon2i$v=19$m=65536,t=3,p=4$x$y": "neither",
		"ada:" + strings.Replace(argon, "m=65536", "m=99999999", 1): "bounds",
		"ada:" + strings.Replace(argon, "t=3", "t=0", 1):            "bounds",
		"ada:" + strings.Replace(argon, "p=4", "p=0", 1):            "bounds",
		"ada:" + strings.Replace(argon, "v=19", "v=16", 1):          "v=19",
		"ada:" + argon[:60]: "malformed", "ada:$2y$04$" + strings.Repeat("a", 53): "cost", "ada:$2y$10$abc": "bcrypt",
		"ada:" + argon + "\nada:" + argon: "line 3: the user \"ada\" stands there twice",
	} {
		write(t, path, "# x\n"+line+"\n", time.Minute)
		_, err := password.Open(path, password.Config{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%.40s: %v, want %q", line, err, want)
		} else if i := strings.LastIndexByte(argon, '$'); strings.Contains(err.Error(), argon[i:]) {
			t.Errorf("%.40s: the error repeats the hash", line)
		}
	}
	if _, err := password.Open(path+"2", password.Config{}); err == nil {
		t.Error("a file that is not there: no error")
	}
}

// TestReload: a changed file is used, a wrong one is not, and reported once.
func TestReload(t *testing.T) {
	hash := func(pw string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(pw), 10)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "ada:"+hash("one"), time.Hour)
	var reports []string
	users, err := password.Open(path, password.Config{Report: func(err error) { reports = append(reports, fmt.Sprint(err)) }})
	if err != nil {
		t.Fatal(err)
	}
	check := func(pw string, want bool) {
		t.Helper()
		password.LookAgain(users)
		if _, err := users.Check(t.Context(), "ada", pw); (err == nil) != want {
			t.Errorf("password %s: %v", pw, err)
		}
	}
	check("one", true)
	write(t, path, "ada:wrong", time.Minute)
	check("one", true)
	check("one", true)
	write(t, path, "ada:"+hash("two"), 50*time.Second)
	check("two", true)
	check("one", false)
	if len(reports) != 2 || !strings.Contains(reports[0], "line 1") || reports[1] != "<nil>" {
		t.Errorf("reports %q", reports)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ada:$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA:a,b\n")
	f.Add("ada:$2y$10$" + strings.Repeat("a", 53))
	f.Fuzz(func(t *testing.T, line string) { password.ParseLine(line) })
}
