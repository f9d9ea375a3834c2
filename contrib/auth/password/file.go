package password

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/auth"
)

const (
	lookInterval = time.Second
	settleTime   = time.Second
	maxFile      = 16 << 20
)

// Config configures Open. The zero value is usable.
type Config struct {
	// MaxChecks bounds the hashes that are computed at the same time, each of which takes a
	// processor and, with Argon2id, tens of megabytes; further calls wait until their context ends.
	// Zero means 2.
	MaxChecks int
	// Report, if not nil, is told about each change of the file: nil when it is in use, the error
	// when it cannot be used, once as long as it stays the same. It must be safe for concurrent use
	// and not block.
	Report func(error)
}

// Users is a file of users. It is safe for concurrent use.
type Users struct {
	path   string
	config Config
	slots  chan struct{} // capacity MaxChecks; one value per hash that is computed, never closed
	users  atomic.Pointer[users]
	looked atomic.Int64 // Unix nanoseconds of the last look at the file

	// guarded by mu
	mu      sync.Mutex
	size    int64
	modTime time.Time
	problem string // the error reported last
}

// users is what a file says. It is immutable.
type users struct {
	byName map[string]*user
	// dummies are computed for unknown users: one for each user, so that names that are unknown
	// cost what those that are known do, where the file has hashes of several costs too. Which one
	// a name gets depends on seed.
	dummies []hash
	seed    maphash.Seed
}

// dummyFor returns what is computed for an unknown user; nil if the file has no users.
func (u *users) dummyFor(name string) hash {
	if len(u.dummies) == 0 {
		return nil
	}
	return u.dummies[maphash.String(u.seed, name)%uint64(len(u.dummies))]
}

type user struct {
	hash   hash
	caller *auth.Caller
}

// Open reads a file of users, which is looked at with calls, at most once a second, and read again
// when it has changed; a file that is wrong leaves the users before in use. Each line is
//
//	NAME:HASH[:GROUP,GROUP]
//
// Empty lines and those that begin with # are left out. Hash makes hashes. It is an error if the
// file cannot be read, has a malformed line, or a name twice; errors name the line and do not
// repeat hashes.
func Open(path string, config Config) (*Users, error) {
	if config.MaxChecks <= 0 {
		config.MaxChecks = 2
	}
	u := &Users{path: path, config: config, slots: make(chan struct{}, config.MaxChecks)}
	if err := u.read(); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	u.looked.Store(time.Now().UnixNano())
	return u, nil
}

// Check returns the caller of a user name and password, or auth.ErrWrongPassword: the same, and as
// late, for users that the file does not have. Passwords above 1024 bytes, 72 for bcrypt, are
// wrong.
func (u *Users) Check(ctx context.Context, name, password string) (*auth.Caller, error) {
	u.look()
	all := u.users.Load()
	known, ok := all.byName[name]
	h := all.dummyFor(name)
	if ok {
		h = known.hash
	}
	if h == nil || password == "" || len(password) > maxPassword {
		return nil, auth.ErrWrongPassword
	}
	select {
	case u.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-u.slots }()
	if right := h.matches(password); !right || !ok {
		return nil, auth.ErrWrongPassword
	}
	return known.caller, nil
}

// look reads the file again if it has changed.
func (u *Users) look() {
	now := time.Now().UnixNano()
	last := u.looked.Load()
	if now-last < int64(lookInterval) || !u.looked.CompareAndSwap(last, now) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	info, err := os.Stat(u.path)
	if err == nil && (info.Size() == u.size && info.ModTime().Equal(u.modTime) || time.Since(info.ModTime()).Abs() < settleTime) {
		return // as before, or perhaps half written
	}
	if err == nil {
		err = u.read()
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if u.config.Report != nil && (err == nil || text != u.problem) {
		u.config.Report(err)
	}
	u.problem = text
}

func (u *Users) read() error {
	info, err := os.Stat(u.path)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%s has %d bytes, more than %d", u.path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(u.path)
	if err != nil {
		return err
	}
	all, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", u.path, err)
	}
	u.size, u.modTime = info.Size(), info.ModTime()
	u.users.Store(all)
	return nil
}

// parse reads the lines of a file.
func parse(text []byte) (*users, error) {
	all := &users{byName: make(map[string]*user), seed: maphash.MakeSeed()}
	costs := make(map[string]hash) // a dummy for each cost: making one of bcrypt's takes as long as a check
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, u, err := parseLine(line)
		if err == nil && all.byName[name] != nil {
			err = fmt.Errorf("the user %.60q stands there twice", name)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		cost := u.hash.cost()
		if costs[cost] == nil {
			costs[cost] = u.hash.dummy()
		}
		all.dummies = append(all.dummies, costs[cost])
		all.byName[name] = u
	}
	return all, lines.Err()
}

func parseLine(line string) (string, *user, error) {
	parts := strings.Split(line, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return "", nil, errors.New("want NAME:HASH or NAME:HASH:GROUP,GROUP")
	}
	h, err := parseHash(parts[1])
	if err != nil {
		return "", nil, fmt.Errorf("user %.60q: %w", parts[0], err)
	}
	c := &auth.Caller{Scheme: "basic", Subject: parts[0], Names: []string{parts[0]}}
	if len(parts) == 3 {
		c.Groups = slices.DeleteFunc(strings.Split(parts[2], ","), func(g string) bool { return g == "" })
	}
	return parts[0], &user{h, c}, nil
}
