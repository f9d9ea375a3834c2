package resolver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// FileOptions configure the resolver of "file:" targets. The zero value means the defaults.
type FileOptions struct {
	// Interval is how often the file is looked at. 0: 1 s.
	Interval time.Duration
}

const defaultFileInterval = time.Second

// maxFileSize bounds what is read of a file that is none of ours.
const maxFileSize = 16 << 20

// File returns the builder of "file:///etc/shop/backends": a list of endpoints, one per line, that
// is watched.
//
//	# name or address, port; several addresses of one endpoint with commas
//	10.0.0.1:50051
//	10.0.0.2:50051,[2001:db8::2]:50051  weight=3
//	unix:/run/shop.sock                 hash=shard-7
//
// A line may give a weight and, for ring_hash, a hash key. Host names are resolved when they are
// connected to. A file that is missing, or has a mistake, leaves the list as it was. Replace it by
// renaming: a file that is written in place may be read half. Calls carry the authority
// "localhost", or the one given as in "file:///etc/shop/backends?authority=shop.example.com".
func File(opts FileOptions) Builder {
	if opts.Interval == 0 {
		opts.Interval = defaultFileInterval
	}
	return fileBuilder{opts}
}

type fileBuilder struct{ opts FileOptions }

func (fileBuilder) Scheme() string { return "file" }

func (fileBuilder) Authority(t Target) string {
	if a := t.Query.Get("authority"); a != "" {
		return a
	}
	return "localhost"
}

func (b fileBuilder) Build(t Target, _ Options) (Resolver, error) {
	if t.Authority != "" {
		return nil, fmt.Errorf("target %q: a file target has no authority; write file:///absolute/path or file:path", t.brief())
	}
	if t.Endpoint == "" {
		return nil, fmt.Errorf("target %q: no path after the scheme", t.brief())
	}
	f := &fileLookup{path: t.Endpoint}
	return Poll(f.lookup, PollOptions{
		Interval:    b.opts.Interval,
		MinInterval: b.opts.Interval,
		Timeout:     -1,
	}), nil
}

// fileLookup reads a list when the file has changed.
type fileLookup struct {
	path string
	last os.FileInfo // of the file the state was read from; nil: none
	good State
}

func (f *fileLookup) lookup(context.Context) (State, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return State{}, err
	}
	if f.last != nil && os.SameFile(info, f.last) && info.ModTime().Equal(f.last.ModTime()) && info.Size() == f.last.Size() {
		return f.good, nil
	}
	if info.Size() > maxFileSize {
		return State{}, fmt.Errorf("%s: %d bytes are more than a list of endpoints may have (%d)", f.path, info.Size(), maxFileSize)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return State{}, err
	}
	eps, err := parseEndpoints(text)
	if err != nil {
		return State{}, fmt.Errorf("%s:%w", f.path, err)
	}
	f.last, f.good = info, State{Endpoints: eps}
	return f.good, nil
}

// parseEndpoints reads the lines of a list. Errors begin with the line's number.
func parseEndpoints(text []byte) ([]Endpoint, error) {
	var eps []Endpoint
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e, err := parseEndpoint(words)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		eps = append(eps, e)
	}
	return eps, lines.Err()
}

func parseEndpoint(words []string) (e Endpoint, err error) {
	for s := range strings.SplitSeq(words[0], ",") {
		a := Address{Addr: s}
		if path, ok := strings.CutPrefix(s, "unix:"); ok {
			a = Address{Network: "unix", Addr: path}
		} else if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			return e, fmt.Errorf("%q is neither host:port nor unix:path", s)
		}
		e.Addresses = append(e.Addresses, a)
	}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "weight":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil || n == 0 {
				return e, fmt.Errorf("weight %q is not a number from 1 up", value)
			}
			e.Weight = uint32(n)
		case "hash":
			e.HashKey = value
		default:
			return e, fmt.Errorf("unknown word %q; known are weight=, hash=", w)
		}
	}
	return e, nil
}
