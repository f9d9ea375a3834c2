package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What an operation on a store may fail with, beside the context's own errors. Each wraps what
// SQLite said, if it said something.
var (
	// ErrNotFound: nothing has that id.
	ErrNotFound = errors.New("not found")
	// ErrBusy: another process held the file for too long. Nothing was written; trying again is
	// safe.
	ErrBusy = errors.New("the shop's file is in use by another process")
	// ErrFull: the disk, or what SQLite may use of it, is full. Nothing was written.
	ErrFull = errors.New("there is no room for the shop's file to grow")
)

// classify returns err as one of the errors above or, if the context ended, the context's error:
// SQLite says "interrupted" for both a cancellation and a deadline.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%v)", ctx.Err(), err)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	var detail *sqlite.Error
	if errors.As(err, &detail) {
		switch detail.Code() & 0xff { // the primary code, https://www.sqlite.org/rescode.html
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: %w", ErrBusy, err)
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w: %w", ErrFull, err)
		case sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("it is not an SQLite database: %w", err)
		}
	}
	return err
}
