package credentials

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxTokenFile bounds what is read of a token's file: headers above 16 KiB are refused by most
// servers.
const maxTokenFile = 64 << 10

// BearerFile returns credentials of a token in a file, such as a Kubernetes service account's,
// which are not sent without TLS. White space at its end is dropped. The file is looked at with
// calls, at most twice a second, and read again when it has changed, so that a token that is
// replaced in place, by a rename or by Kubernetes' symbolic links is used within two seconds. A
// file that cannot be read, or holds no token, leaves the token before in use.
//
// report, if not nil, is told about each change: nil for a new token, the error when the file
// cannot be used, once as long as it stays the same. It must be safe for concurrent use and not
// block.
//
// It is an error if the file holds no token now. Errors never repeat what the file holds.
func BearerFile(path string, report func(error)) (Refresher, error) {
	f := &bearerFile{path: path, report: report}
	pairs, seen, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("credentials: bearer token: %w", err)
	}
	f.seen = seen
	f.pairs.Store(&pairs)
	f.looked.Store(time.Now().UnixNano())
	return f, nil
}

type bearerFile struct {
	path   string
	report func(error)
	pairs  atomic.Pointer[map[string]string] // never nil
	looked atomic.Int64                      // Unix nanoseconds of the last look

	// guarded by mu
	mu      sync.Mutex
	seen    stamp
	problem string // the error reported last
}

func (f *bearerFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	now := time.Now().UnixNano()
	if last := f.looked.Load(); now-last >= int64(lookInterval) && f.looked.CompareAndSwap(last, now) {
		f.look()
	}
	return *f.pairs.Load(), nil
}

// look reads the file again if it has changed.
func (f *bearerFile) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && (stampOf(info) == f.seen || time.Since(info.ModTime()).Abs() < settleTime) {
		return // as before, or perhaps half written
	}
	pairs, seen, err := f.read()
	if err != nil {
		if f.report != nil && err.Error() != f.problem {
			f.report(fmt.Errorf("bearer token: %w; the one before stays in use", err))
		}
		f.problem = err.Error()
		return
	}
	changed := pairs["authorization"] != (*f.pairs.Load())["authorization"]
	f.seen, f.problem = seen, ""
	f.pairs.Store(&pairs)
	if f.report != nil && changed {
		f.report(nil)
	}
}

func (f *bearerFile) read() (map[string]string, stamp, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, stamp{}, err
	}
	if info.Size() > maxTokenFile {
		return nil, stamp{}, fmt.Errorf("%s has %d bytes: no token is longer than %d", f.path, info.Size(), maxTokenFile)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, stamp{}, err
	}
	text = bytes.TrimRight(text, " \t\r\n")
	if err := checkToken(string(text)); err != nil {
		return nil, stamp{}, fmt.Errorf("%s: %w", f.path, err)
	}
	return map[string]string{"authorization": "Bearer " + string(text)}, stampOf(info), nil
}

func (*bearerFile) RequireTransportSecurity() bool { return true }

// Refresh reads the file if it has changed, and reports whether its token is another than header's:
// see Refresher.
func (f *bearerFile) Refresh(header string) bool {
	f.looked.Store(time.Now().UnixNano())
	f.look()
	return (*f.pairs.Load())["authorization"] != header
}

// String names the file, and keeps the secret out of logs.
func (f *bearerFile) String() string   { return "credentials.BearerFile(" + f.path + ")" }
func (f *bearerFile) GoString() string { return f.String() }
