package dynamic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Method returns the method that a name means; the package comment has the forms of names. The
// error is NOT_FOUND with the nearest names if there is none, INVALID_ARGUMENT if several fit, and
// the schema's own if that cannot be had.
func (c *Client) Method(ctx context.Context, name string) (*Method, error) {
	if m, ok := c.methods.Load(name); ok {
		return m.(*Method), nil
	}
	service, method := splitMethod(name)
	d, err := c.methodOf(ctx, service, method)
	if err != nil {
		return nil, err
	}
	if d == nil {
		if d, err = c.shortened(ctx, service, method); err != nil {
			return nil, err
		}
	}
	// One Method for each, since interceptors know methods by their address. Only names that mean a
	// method are kept, and each method has few.
	made := newMethod(d)
	m, _ := c.methods.LoadOrStore(made.Path(), made)
	c.methods.Store(name, m)
	return m.(*Method), nil
}

// splitMethod splits "a.Service/Method", "/a.Service/Method" and "a.Service.Method".
func splitMethod(name string) (service, method string) {
	name = strings.TrimPrefix(name, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// methodOf returns a method by its full name, nil if there is none.
func (c *Client) methodOf(ctx context.Context, service, method string) (protoreflect.MethodDescriptor, error) {
	if full := protoreflect.FullName(service); !full.IsValid() || !protoreflect.Name(method).IsValid() {
		return nil, nil
	}
	d, err := c.schema.Find(ctx, protoreflect.FullName(service))
	switch {
	case errors.Is(err, protoregistry.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if s, ok := d.(protoreflect.ServiceDescriptor); ok {
		return s.Methods().ByName(protoreflect.Name(method)), nil
	}
	return nil, nil
}

// shortened returns the one method of the schema whose name ends in service and method.
func (c *Client) shortened(ctx context.Context, service, method string) (protoreflect.MethodDescriptor, error) {
	services, err := c.schema.Services(ctx)
	if err != nil {
		return nil, err
	}
	var fits []protoreflect.MethodDescriptor
	var all []string
	for _, name := range services {
		d, err := c.schema.Find(ctx, protoreflect.FullName(name))
		if errors.Is(err, protoregistry.NotFound) {
			continue // listed, and not described: another one may be meant
		}
		if err != nil {
			return nil, err
		}
		s, ok := d.(protoreflect.ServiceDescriptor)
		if !ok {
			continue
		}
		for i := range s.Methods().Len() {
			all = append(all, name+"/"+string(s.Methods().Get(i).Name()))
		}
		m := s.Methods().ByName(protoreflect.Name(method))
		if m != nil && (service == "" || name == service || strings.HasSuffix(name, "."+service)) {
			fits = append(fits, m)
		}
	}
	wanted := strings.TrimPrefix(service+"/"+method, "/")
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		return nil, status.Errorf(codes.NotFound, "dynamic: the schema has no method %q%s", clip(wanted), suggestion(wanted, all))
	}
	names := make([]string, len(fits))
	for i, m := range fits {
		names[i] = string(m.Parent().FullName()) + "/" + string(m.Name())
	}
	return nil, status.Errorf(codes.InvalidArgument, "dynamic: %q may be %s", clip(wanted), listed(names))
}

// suggestion returns the names that a misspelled one may have meant, as the end of a sentence.
func suggestion(wanted string, all []string) string {
	if len(all) == 0 {
		return ", it has none at all"
	}
	type near struct {
		name string
		far  int
	}
	var nearest []near
	_, method := splitMethod(wanted)
	for _, name := range all {
		_, m := splitMethod(name)
		far := min(distance(wanted, name), distance(method, m))
		if far <= max(2, len(method)/3) {
			nearest = append(nearest, near{name, far})
		}
	}
	slices.SortStableFunc(nearest, func(a, b near) int { return a.far - b.far })
	if len(nearest) == 0 {
		return "; it has " + listed(all)
	}
	names := make([]string, 0, 3)
	for _, n := range nearest[:min(3, len(nearest))] {
		names = append(names, n.name)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// listed joins names, the first eight of them.
func listed(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
}

// distance is Levenshtein's, without regard to case, and bounded: longer texts are far apart.
func distance(a, b string) int {
	const longest = 200
	if len(a) > longest || len(b) > longest {
		return longest
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func sortedUnique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// clip cuts a text of somebody else's for an error, at a character.
func clip(s string) string {
	const longest = 200
	if len(s) <= longest {
		return s
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// cleaned returns the text of an error of protobuf, which varies its first space between builds.
func cleaned(err error) string { return strings.ReplaceAll(err.Error(), "\u00a0", " ") }

func compactJSON(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
