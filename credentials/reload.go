package credentials

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookInterval is how often, at most, connections look whether files have changed.
	lookInterval = 500 * time.Millisecond
	// settleTime is how long files must not have been written to before they are read: a program
	// that writes them in place may be in the middle of it. Files replaced by a rename or a
	// symbolic link are whole from the start, and wait as well.
	settleTime = time.Second
	// sessionCacheSize bounds the sessions a client keeps for quicker reconnects: one per server's
	// name is used.
	sessionCacheSize = 32
	// ticketKeyTime is how long a key encrypts session tickets, and ticketKeys how many decrypt
	// them.
	ticketKeyTime = 24 * time.Hour
	ticketKeys    = 7
)

// ServerConfig reads the files for a server, and returns a configuration that follows them: when a
// connection comes and the files have changed (in place, by a rename, or by the symbolic links of a
// Kubernetes volume), they are read again and used from that connection on; connections that exist
// are not touched, and sessions begun before are not resumed. Files are taken over together: if
// they do not go together, cannot be read, or would be an error at the start, the ones in use stay.
// There is no goroutine and no watch: files are looked at with connections, at most twice a second,
// and used once they have not been written to for a second.
//
// report, if not nil, is told about each change: nil when new files are in use, the error when they
// cannot be used, once as long as it stays the same. It must be safe for concurrent use and not
// block.
//
// The configuration is meant for naru.WithTLS, which completes it. Another server must set
// NextProtos in what GetConfigForClient returns: crypto/tls uses that in place of the configuration
// it is given.
//
// It is an error if the certificate has expired, is not valid yet, is not for servers, has a weak
// key, or has no subject alternative names, without which no client accepts it.
func (f TLSFiles) ServerConfig(report func(error)) (*tls.Config, error) {
	r, err := newReloader(f, true, report)
	if err != nil {
		return nil, err
	}
	cfg := r.config()
	return &tls.Config{
		MinVersion:   cfg.MinVersion,
		Certificates: cfg.Certificates, // for those that ask whether there is one; GetConfigForClient decides
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return r.config(), nil
		},
	}, nil
}

// ClientConfigs reads the files for a client, and returns a function that returns the configuration
// for a new connection, which must not be changed. It follows the files as a server's does
// ([TLSFiles.ServerConfig], which also describes report). A session is resumed only with the files
// it was begun with. It is an error if the client's certificate has expired, is not valid yet, is
// not for clients, or has a weak key.
func (f TLSFiles) ClientConfigs(report func(error)) (func() *tls.Config, error) {
	r, err := newReloader(f, false, report)
	if err != nil {
		return nil, err
	}
	return r.config, nil
}

// reloader keeps the configuration made from files.
type reloader struct {
	files   TLSFiles
	server  bool
	report  func(error)
	current atomic.Pointer[tls.Config]
	looked  atomic.Int64 // Unix nanoseconds of the last look

	mu      sync.Mutex
	inUse   []stamp // the files current was made from
	pending []stamp // what the last look saw, if that was something else
	problem string  // the error reported last
	keys    [][32]byte
	keyed   time.Time // when the first of keys was made
}

func newReloader(files TLSFiles, server bool, report func(error)) (*reloader, error) {
	if report == nil {
		report = func(error) {}
	}
	if err := files.check(server); err != nil {
		return nil, err
	}
	r := &reloader{files: files, server: server, report: report}
	r.inUse = r.stamps()
	cfg, err := r.load()
	if err != nil {
		return nil, err
	}
	r.current.Store(cfg)
	r.looked.Store(time.Now().UnixNano())
	return r, nil
}

func (r *reloader) load() (*tls.Config, error) {
	cfg, err := r.files.load(r.server)
	if err != nil {
		return nil, err
	}
	if !r.server {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(sessionCacheSize)
		return cfg, nil
	}
	// Sessions end with the files: a resumed one would go on to stand for the certificate it was
	// begun with.
	r.keys = nil
	r.newKey(cfg, time.Now())
	return cfg, nil
}

// newKey makes a key for session tickets, which begins to be used. Those before it are still
// understood, for as long as tickets are valid (RFC 8446 §4.6.1: at most seven days). crypto/tls
// does this for configurations that last.
func (r *reloader) newKey(cfg *tls.Config, now time.Time) {
	var key [32]byte
	rand.Read(key[:]) // never fails
	r.keys = append([][32]byte{key}, r.keys[:min(len(r.keys), ticketKeys-1)]...)
	r.keyed = now
	cfg.SetSessionTicketKeys(r.keys)
}

// config returns the configuration for a connection that begins now.
func (r *reloader) config() *tls.Config {
	now := time.Now()
	since := now.UnixNano() - r.looked.Load()
	if (since < 0 || since >= int64(lookInterval)) && r.mu.TryLock() {
		r.looked.Store(now.UnixNano())
		r.look(now)
		r.mu.Unlock()
	}
	return r.current.Load()
}

// look takes changed files over. The caller holds mu.
func (r *reloader) look(now time.Time) {
	seen := r.stamps()
	if slices.Equal(seen, r.inUse) {
		r.pending = nil
		if r.server && now.Sub(r.keyed) >= ticketKeyTime {
			r.newKey(r.current.Load(), now)
		}
		return
	}
	settled := slices.Equal(seen, r.pending) || r.settled(seen, now)
	r.pending = seen
	if !settled {
		return
	}
	cfg, err := r.load()
	if again := r.stamps(); !slices.Equal(again, seen) {
		r.pending = again
		return // changed while they were read
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.current.Store(cfg)
	r.inUse, r.pending, r.problem = seen, nil, ""
	r.report(nil)
}

// settled tells whether all files that have changed were written to long enough ago.
func (r *reloader) settled(seen []stamp, now time.Time) bool {
	for i, s := range seen {
		if s != r.inUse[i] && (s.err != "" || s.modTime > now.Add(-settleTime).UnixNano()) {
			return false
		}
	}
	return true
}

// fail reports an error that is not the one reported last.
func (r *reloader) fail(err error) {
	if text := err.Error(); text != r.problem {
		r.problem = text
		r.report(errors.Join(errKept, err))
	}
}

var errKept = errors.New("cannot reload TLS files, keeping the ones in use")

// stamp tells whether a file is another than it was.
type stamp struct {
	info    fileID
	size    int64
	modTime int64 // Unix nanoseconds
	err     string
}

func stampOf(info os.FileInfo) stamp {
	return stamp{info: idOf(info), size: info.Size(), modTime: info.ModTime().UnixNano()}
}

func (r *reloader) stamps() []stamp {
	paths := r.files.paths()
	stamps := make([]stamp, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			stamps[i].err = err.Error()
			continue
		}
		stamps[i] = stampOf(info)
	}
	return stamps
}
