package protosrc

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/near"
)

var scalars = []string{"double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
	"sfixed32", "sfixed64", "bool", "string", "bytes"}

// otherScalars are what other languages call the scalar types.
var otherScalars = map[string]string{
	"int": "int32 or int64", "integer": "int32 or int64", "long": "int64", "short": "int32", "int8": "int32", "int16": "int32",
	"uint": "uint32 or uint64", "uint8": "uint32", "uint16": "uint32", "byte": "bytes, or uint32 for one byte", "char": "string",
	"str": "string", "text": "string", "boolean": "bool", "float32": "float", "float64": "double", "real": "double",
	"number": "double or int64", "date": "google.protobuf.Timestamp", "datetime": "google.protobuf.Timestamp", "any": "google.protobuf.Any",
}

var wrapperOf = map[string]string{"double": "Double", "float": "Float", "int32": "Int32", "int64": "Int64", "uint32": "UInt32",
	"uint64": "UInt64", "bool": "Bool", "string": "String", "bytes": "Bytes"}

// scalarHint returns what a type that was not found may have meant among the scalars, "" for
// nothing.
func scalarHint(wanted string) string {
	if other := otherScalars[strings.ToLower(wanted)]; other != "" {
		return "did you mean " + other + "?"
	}
	for _, s := range scalars {
		if near.Distance(strings.ToLower(wanted), s) <= min(len(wanted)/3, 2) {
			return "did you mean " + s + "?"
		}
	}
	return ""
}

// rewriteMethodScalar explains why a method cannot take or return a scalar. It reports whether the
// type is one.
func rewriteMethodScalar(d *diag.Diagnostic, wanted string) bool {
	if !slices.Contains(scalars, wanted) || !strings.Contains(d.Message, "request type") && !strings.Contains(d.Message, "response type") {
		return false
	}
	d.Message = strings.Replace(d.Message, "unknown ", "", 1) + " is a scalar, not a message"
	d.Hint = fmt.Sprintf("methods take and return messages: declare one with a field of type %s", wanted)
	if w := wrapperOf[wanted]; w != "" {
		d.Hint += fmt.Sprintf(", or take google.protobuf.%sValue from \"google/protobuf/wrappers.proto\"", w)
	}
	return true
}

// rewriteUnknownExtension says which file to import for an option in parentheses.
func rewriteUnknownExtension(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	wanted := strings.Trim(m[1], "().")
	for name, file := range builtins() {
		for _, full := range extensionsOf(file) {
			if full == wanted {
				d.Hint = fmt.Sprintf("%s is in %q: import it", full, name)
				return true
			}
		}
	}
	for _, o := range origins {
		if strings.HasPrefix(wanted, o.pkg+".") {
			d.Hint = fmt.Sprintf("%s is in %q: import it", wanted, o.file)
		}
	}
	return true
}

func extensionsOf(file protoreflect.FileDescriptor) []string {
	var names []string
	for i := range file.Extensions().Len() {
		names = append(names, string(file.Extensions().Get(i).FullName()))
	}
	return names
}

// origins are files that many import and that come with Go modules.
var origins = []struct{ pkg, file, module string }{
	{"validate", "validate/validate.proto", "github.com/envoyproxy/protoc-gen-validate"},
	{"buf.validate", "buf/validate/validate.proto", "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go"},
	{"gogoproto", "gogoproto/gogo.proto", "github.com/gogo/protobuf"},
	{"grpc.gateway.protoc_gen_openapiv2.options", "protoc-gen-openapiv2/options/annotations.proto", "github.com/grpc-ecosystem/grpc-gateway/v2"},
	{"cosmos_proto", "cosmos_proto/cosmos.proto", "github.com/cosmos/cosmos-proto"},
}

// missingHint looks for what an import that was not found may have meant.
func (l *loader) missingHint(name string, from *source) string {
	if from != nil && from.path != "" {
		// Written as a path from the importing file, as in other languages.
		besides := path.Join(path.Dir(from.name), name)
		if found, _ := l.sources.find(besides); found != "" && besides != name {
			return fmt.Sprintf("imports are paths from an import folder, not from the importing file: import %q", besides)
		}
	}
	for b := range builtins() {
		sameName := path.Base(b) == path.Base(name) && (!strings.Contains(name, "/") || path.Base(path.Dir(b)) == path.Base(path.Dir(name)))
		if sameName && b != name {
			return fmt.Sprintf("there is a built-in file %q", b)
		}
		if path.Dir(b) == path.Dir(name) && near.Distance(path.Base(b), path.Base(name)) <= 2 {
			return fmt.Sprintf("did you mean %q?", b)
		}
	}
	for _, o := range origins {
		if o.file == name || path.Dir(o.file) == path.Dir(name) {
			return fmt.Sprintf("it comes with the Go module %s: go get %[1]s, or give the folder the path starts from with -I", o.module)
		}
	}
	if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") && strings.Contains(name, "/") {
		return "the path starts like that of a Go module: go get the module, or give the folder the path starts from with -I"
	}
	return "give the folder the path starts from with -I"
}
