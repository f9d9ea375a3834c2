// Package store keeps the shop's products and orders in one SQLite file.
//
// The file is in write-ahead-log mode: readers never wait for the writer nor it for them. Writes of
// a process go through one connection, one after the other, so that none of them meets a locked
// file; reads have a few connections of their own. Several processes may have the same file open.
//
// A write that returned without an error is on disk: it survives the process, and unless the store
// is temporary, the machine.
//
// The package starts no goroutines of its own; those of database/sql end with Close.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// readConnections is how many reads run at the same moment. SQLite works in the calling thread, so
// that more than a few gain nothing.
const readConnections = 4

// Store is the shop's data. Safe for concurrent use.
type Store struct {
	// immutable after open
	path      string
	temporary string // the folder to remove at Close; "" if the file is to stay
	writer    *sql.DB
	reader    *sql.DB
	prepared  statements
}

// Open opens the shop's file at path, and makes it, with a few orders in it, if there is none. The
// folder must exist. A file that is no database, or not the shop's, is left alone and an error says
// what it is.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open shop data %s: %w", path, err)
	}
	if err := checkPlace(abs); err != nil {
		return nil, fmt.Errorf("open shop data %s: %w", path, err)
	}
	s := &Store{path: abs}
	// FULL: a commit waits for the disk, so that an order that was answered survives a power cut.
	if err := s.open(ctx, "FULL"); err != nil {
		return nil, errors.Join(fmt.Errorf("open shop data %s: %w", path, err), s.Close())
	}
	return s, nil
}

// OpenTemporary opens a store in a new temporary folder, which Close removes.
func OpenTemporary(ctx context.Context) (*Store, error) {
	dir, err := os.MkdirTemp("", "naru-shop-")
	if err != nil {
		return nil, fmt.Errorf("open temporary shop data: %w", err)
	}
	s := &Store{path: filepath.Join(dir, "shop.db"), temporary: dir}
	// OFF: nobody will look for this file after the machine went down.
	if err := s.open(ctx, "OFF"); err != nil {
		return nil, errors.Join(fmt.Errorf("open temporary shop data: %w", err), s.Close())
	}
	return s, nil
}

// Path returns the file, absolute.
func (s *Store) Path() string { return s.path }

// Temporary tells whether Close removes the file.
func (s *Store) Temporary() bool { return s.temporary != "" }

// Close waits for the statements that are running and closes the file. Everything afterwards fails.
// Closing twice does no harm.
func (s *Store) Close() error {
	var errs []error
	errs = append(errs, s.prepared.close())
	// The writer goes last: the connection that closes last folds the log into the file.
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.temporary != "" {
		errs = append(errs, os.RemoveAll(s.temporary))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close shop data %s: %w", s.path, err)
	}
	return nil
}

// checkPlace finds the mistakes that SQLite itself reports only as "unable to open database file".
func checkPlace(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("it is a folder, not a file")
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("its folder cannot be used: %w", err)
	}
	return nil
}
