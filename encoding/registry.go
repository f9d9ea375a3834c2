package encoding

import (
	"errors"
	"fmt"
	"strings"
)

// A Registry is the codecs and compressors a server or client knows. It is immutable, so that
// it needs no locks.
type Registry struct {
	codecs      map[string]Codec
	compressors map[string]Compressor
	accept      string
	lookup      func(subtype string) Codec // nil: none
}

// NewRegistry returns a registry of these. The order of compressors is the one they are
// advertised in. The error names every entry that is nil, has a name another one has, or a
// name that cannot stand in a header; "identity" is no compressor's.
func NewRegistry(codecs []Codec, compressors []Compressor) (*Registry, error) {
	r := &Registry{
		codecs:      make(map[string]Codec, len(codecs)),
		compressors: make(map[string]Compressor, len(compressors)),
	}
	var errs []error
	for i, c := range codecs {
		if c == nil {
			errs = append(errs, fmt.Errorf("encoding: codec %d is nil", i))
			continue
		}
		errs = append(errs, checkName("codec", c.Name(), r.codecs[c.Name()] != nil))
		r.codecs[c.Name()] = c
	}
	var names []string
	for i, c := range compressors {
		if c == nil {
			errs = append(errs, fmt.Errorf("encoding: compressor %d is nil", i))
			continue
		}
		name := c.Name()
		if name == "identity" {
			errs = append(errs, errors.New(`encoding: compressor name "identity" means none`))
		}
		errs = append(errs, checkName("compressor", name, r.compressors[name] != nil))
		r.compressors[name] = c
		names = append(names, name)
	}
	r.accept = strings.Join(names, ",")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// checkName allows what both a content subtype and a list in grpc-accept-encoding can hold.
func checkName(what, name string, taken bool) error {
	if taken {
		return fmt.Errorf("encoding: %s name %q is taken", what, name)
	}
	if name == "" {
		return fmt.Errorf("encoding: a %s has no name", what)
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("encoding: %s name %q: byte %#02x is not a-z, 0-9, dash, underscore or dot", what, name, c)
		}
	}
	return nil
}

// Codec returns the codec of a content subtype, nil if there is none. The subtype "" is
// "proto": "application/grpc" alone means that.
func (r *Registry) Codec(subtype string) Codec {
	if subtype == "" {
		subtype = "proto"
	}
	if c := r.codecs[subtype]; c != nil || r.lookup == nil {
		return c
	}
	return r.lookup(subtype)
}

// WithLookup returns a registry that asks lookup for the codecs of content subtypes it has none
// for; lookup returns nil for those it has none for either. It is called with subtypes as peers
// sent them, in lower case, for each call that has one, by several goroutines at a time, and must
// not block.
func (r *Registry) WithLookup(lookup func(subtype string) Codec) *Registry {
	c := *r
	c.lookup = lookup
	return &c
}

// Compressor returns the compressor of a name, nil if there is none, as for "identity" and "".
func (r *Registry) Compressor(name string) Compressor { return r.compressors[name] }

// AcceptEncoding returns the compressors' names as grpc-accept-encoding lists them: "gzip,zstd".
func (r *Registry) AcceptEncoding() string { return r.accept }
