package call

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/near"
)

// assignment is one argument: path, operator, value.
type assignment struct {
	arg    string
	path   []string
	append bool // name[]
	json   bool // :=
	value  string
}

func parseAssignment(arg string) (assignment, error) {
	name, value, ok := strings.Cut(arg, "=")
	a := assignment{arg: arg, value: value}
	if !ok || name == "" {
		return a, cli.WithHint(cli.Usagef("%q is no field and no JSON: want name=value, name:=json or '{...}'", arg), "\"naru describe --template\" prints a request to fill in")
	}
	name, a.json = strings.CutSuffix(name, ":")
	name, a.append = strings.CutSuffix(name, "[]")
	a.path = strings.Split(name, ".")
	return a, nil
}

// build makes the JSON of a message of type d out of assignments.
func build(env *cli.Env, d protoreflect.MessageDescriptor, args []string) (json.RawMessage, error) {
	root := map[string]any{}
	for _, arg := range args {
		a, err := parseAssignment(arg)
		if err != nil {
			return nil, err
		}
		if err := a.apply(env, d, root); err != nil {
			return nil, err
		}
	}
	return json.Marshal(finish(d, root))
}

// apply puts the value into the tree of the message.
func (a *assignment) apply(env *cli.Env, d protoreflect.MessageDescriptor, node map[string]any) error {
	var f protoreflect.FieldDescriptor
	for i, name := range a.path {
		if f != nil {
			if f.IsMap() {
				return a.applyMap(env, f, node, i)
			}
			if f.Message() == nil || f.IsList() {
				return cli.Usagef("%s: %s has no fields", a.arg, strings.Join(a.path[:i], "."))
			}
			node, d = child(node, f), f.Message()
		}
		if f = d.Fields().ByName(protoreflect.Name(name)); f == nil {
			if f = d.Fields().ByJSONName(name); f == nil {
				return unknownField(a.arg, name, d)
			}
		}
	}
	key := string(f.Name())
	switch {
	case f.IsMap():
		if !a.json {
			return cli.Usagef("%s: %s is a map: write %s.key=value or %s:='{...}'", a.arg, f.Name(), f.Name(), f.Name())
		}
	case a.append && !f.IsList():
		return cli.Usagef("%s: %s is not a list", a.arg, f.Name())
	case f.IsList() && !a.append && !a.json:
		return cli.Usagef("%s: %s is a list: write %s[]=value for each element, or %s:='[...]'", a.arg, f.Name(), f.Name(), f.Name())
	}
	value, err := a.convert(env, f)
	if err != nil {
		return err
	}
	if a.append {
		list, _ := node[key].([]any)
		node[key] = append(list, value)
		return nil
	}
	node[key] = value
	return nil
}

// applyMap sets an element of the map f: the rest of the path is its key.
func (a *assignment) applyMap(env *cli.Env, f protoreflect.FieldDescriptor, node map[string]any, at int) error {
	value, err := a.convert(env, f.MapValue())
	if err != nil {
		return err
	}
	child(node, f)[strings.Join(a.path[at:], ".")] = value
	return nil
}

// child returns the tree of the message or map in field f, which it makes if it is not there.
func child(node map[string]any, f protoreflect.FieldDescriptor) map[string]any {
	sub, ok := node[string(f.Name())].(map[string]any)
	if !ok {
		sub = map[string]any{}
		node[string(f.Name())] = sub
	}
	return sub
}

// convert turns the value into JSON for the field's type.
func (a *assignment) convert(env *cli.Env, f protoreflect.FieldDescriptor) (any, error) {
	value := a.value
	if file, ok := strings.CutPrefix(value, "@"); ok {
		raw, err := os.ReadFile(env.Path(file))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.arg, err)
		}
		value = string(raw)
	}
	if a.json {
		if !json.Valid([]byte(value)) {
			var v any
			return nil, jsonError(a.arg, value, json.Unmarshal([]byte(value), &v))
		}
		return json.RawMessage(value), nil
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		if value != "true" && value != "false" {
			return nil, cli.Usagef("%s: %s is a bool: want true or false", a.arg, f.Name())
		}
		return value == "true", nil
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString([]byte(value)), nil
	case protoreflect.EnumKind:
		return a.enum(f.Enum(), value)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return a.message(env, f, value)
	case protoreflect.StringKind:
		if !utf8.ValidString(value) {
			return nil, cli.Usagef("%s: %s is a string, and the value is not UTF-8", a.arg, f.Name())
		}
	}
	return value, nil // protojson takes numbers as strings
}

// message converts a value for a field that holds a message which JSON writes as a string or
// number.
func (a *assignment) message(env *cli.Env, f protoreflect.FieldDescriptor, value string) (any, error) {
	if w := wrapped(f.Message()); w != nil {
		return (&assignment{arg: a.arg, value: a.value}).convert(env, w)
	}
	switch f.Message().FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask":
		return value, nil
	}
	return nil, cli.Usagef("%s: %s is a %s: write %s.field=value or %s:='{...}'", a.arg, f.Name(), f.Message().FullName(), f.Name(), f.Name())
}

func (a *assignment) enum(e protoreflect.EnumDescriptor, value string) (any, error) {
	if e.Values().ByName(protoreflect.Name(value)) != nil {
		return value, nil
	}
	var n json.Number
	if json.Unmarshal([]byte(value), &n) == nil {
		return n, nil
	}
	var names []string
	for i := range e.Values().Len() {
		names = append(names, string(e.Values().Get(i).Name()))
	}
	return nil, cli.Usagef("%s: %s has no value %q: it has %s", a.arg, e.FullName(), value, listed(names))
}

// wrapped returns the field of a wrapper type of google/protobuf/wrappers.proto, which JSON writes
// as the bare value; nil for other messages.
func wrapped(d protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	if d.FullName().Parent() == "google.protobuf" && strings.HasSuffix(string(d.Name()), "Value") && d.Fields().Len() == 1 &&
		d.Name() != "ListValue" {
		return d.Fields().ByName("value")
	}
	return nil
}

func zeroOf(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	}
	return "0"
}

// finish gives wrappers in the tree the form that JSON has for them.
func finish(d protoreflect.MessageDescriptor, node map[string]any) any {
	for key, value := range node {
		f := d.Fields().ByName(protoreflect.Name(key))
		if sub, ok := value.(map[string]any); ok && f != nil && f.Message() != nil && !f.IsMap() {
			node[key] = finish(f.Message(), sub)
		}
	}
	if f := wrapped(d); f != nil {
		if value, ok := node["value"]; ok {
			return value
		}
		return json.RawMessage(zeroOf(f))
	}
	return node
}

func unknownField(arg, name string, d protoreflect.MessageDescriptor) error {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	err := cli.Usagef("%s: %s has no field %q", arg, d.FullName(), name)
	if best := near.Best(name, names); best != "" {
		return cli.WithHint(err, "did you mean %s?", best)
	}
	if len(names) == 0 {
		return cli.WithHint(err, "it has no fields at all")
	}
	return cli.WithHint(err, "it has %s", listed(names))
}

func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
