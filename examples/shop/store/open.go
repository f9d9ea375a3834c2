package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // driver "sqlite"
)

// applicationID marks the shop's files (SQLite file format, offset 68): "naru" in ASCII.
const applicationID = 0x6e617275

// schemaVersion is the user_version of files with the tables below.
const schemaVersion = 1

// busyTimeout is how long a process waits for another that has the file locked.
const busyTimeout = 5 * time.Second

const schema = `
CREATE TABLE products (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	price       REAL NOT NULL
) STRICT;

CREATE TABLE orders (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of first arrival, for searches page by page
	id          TEXT NOT NULL UNIQUE,
	items       TEXT NOT NULL,                     -- a JSON array of strings
	description TEXT NOT NULL,
	price       REAL NOT NULL,
	destination TEXT NOT NULL
) STRICT;
`

// open opens both sides of the file, makes its tables and prepares the statements. After an error
// Close releases what was opened.
func (s *Store) open(ctx context.Context, synchronous string) (err error) {
	common := []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "synchronous(" + synchronous + ")"}
	if s.writer, err = connect(s.path, 1, common...); err != nil {
		return err
	}
	if err := s.prepareFile(ctx); err != nil {
		return err
	}
	// Not before prepareFile: another program's file is to stay as it is.
	if err := s.writeAhead(ctx); err != nil {
		return err
	}
	if s.reader, err = connect(s.path, readConnections, append(common, "query_only(1)")...); err != nil {
		return err
	}
	return s.prepared.prepare(ctx, s.reader, s.writer)
}

// writeAhead puts the file in write-ahead-log mode, which it remembers. The change needs the file
// alone, and SQLite, which sees that two who both read and both wait for that would wait for ever,
// does not wait at all: it says busy at once, whatever busy_timeout is. So the waiting is done
// here. Whoever comes second finds the mode as it is to be, and needs no lock for it.
func (s *Store) writeAhead(ctx context.Context) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		_, err := s.writer.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		err = classify(ctx, err)
		if !errors.Is(err, ErrBusy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond + rand.N(4*time.Millisecond)): // random, so that two do not meet again
		}
	}
}

func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	// A transaction of the writer takes the write lock when it starts: one that read first and asks
	// for the lock later fails at once if another process wrote in between.
	query := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	file := url.URL{Scheme: "file", Path: slashed(path), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// slashed returns an absolute path as the path of a file URI; "C:\x" becomes "/C:/x".
func slashed(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// prepareFile makes the tables of a new file and refuses those of others.
func (s *Store) prepareFile(ctx context.Context) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	defer tx.Rollback() // after Commit it does nothing
	var application, version, tables int
	err = errors.Join(
		tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application),
		tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
		tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables))
	switch {
	case err != nil:
		return classify(ctx, err)
	case application == applicationID && version == schemaVersion:
		return nil
	case application == applicationID:
		return fmt.Errorf("it was written by another version of the shop: its tables are version %d, this one knows %d", version, schemaVersion)
	case tables > 0:
		return errors.New("it is a database of another program")
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
		schema, applicationID, schemaVersion)); err != nil {
		return classify(ctx, err)
	}
	if err := seed(ctx, tx); err != nil {
		return classify(ctx, err)
	}
	return classify(ctx, tx.Commit())
}
