package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongFiles opens what is not a shop's file: the error says what it is, and nothing is
// changed.
func TestWrongFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"text.txt", func(t *testing.T, path string) {
			write(t, path, strings.Repeat("Dear diary, today I was taken for a database. ", 50))
		}, "it is not an SQLite database"},
		{"other.db", func(t *testing.T, path string) {
			execute(t, path, "CREATE TABLE birds (name TEXT)")
		}, "it is a database of another program"},
		{"newer.db", func(t *testing.T, path string) {
			execute(t, path, "PRAGMA application_id = 1851880053; PRAGMA user_version = 99; CREATE TABLE orders (id TEXT)")
		}, "its tables are version 99, this one knows 1"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "it is a folder"},
		{"missing/shop.db", func(*testing.T, string) {}, "its folder cannot be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			c.make(t, path)
			before, _ := os.ReadFile(path)
			s, err := Open(t.Context(), path)
			if err == nil {
				closeStore(t, s)
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("err = %v\nwant the path and %q", err, c.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("the file was changed: it had %d bytes and has %d", len(before), len(after))
			}
		})
	}
}

// TestEmptyFile: a file somebody touched, or made with mktemp, is as good as none.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty")
	write(t, path, "")
	if got := ids(search(t, open(t, path), "Echo")); got != "105 106" {
		t.Errorf("found %q, want the seeds 105 106", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// TestOpenTogether opens a file that does not exist from several places at once: it is made and
// seeded once.
func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	stores := make(chan *Store, 8) // room for all
	for range cap(stores) {
		go func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Errorf("open: %v", err)
			}
			stores <- s
		}()
	}
	for range cap(stores) {
		if s := <-stores; s != nil {
			defer closeStore(t, s)
			if got := ids(search(t, s, "")); got != "102 103 104 105 106" {
				t.Errorf("orders %s, want the seeds, once", got)
			}
		}
	}
}
