package protosrc

import (
	"sync"

	"github.com/bufbuild/protocompile"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/context/attribute_context"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
)

// Builtin returns the descriptor of a file that needs no copy on disk, nil if name is none: what
// protoc brings along (google/protobuf), and of googleapis what services import most (google/api,
// google/rpc). A file of the same name below a root is preferred.
func Builtin(name string) protoreflect.FileDescriptor { return builtins()[name] }

// builtins is built at the first look-up; many runs need none.
var builtins = sync.OnceValue(func() map[string]protoreflect.FileDescriptor {
	all := map[string]protoreflect.FileDescriptor{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if all[f.Path()] != nil {
			return
		}
		all[f.Path()] = f
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	for _, f := range []protoreflect.FileDescriptor{
		annotations.File_google_api_annotations_proto,
		annotations.File_google_api_client_proto,
		annotations.File_google_api_field_behavior_proto,
		annotations.File_google_api_field_info_proto,
		annotations.File_google_api_http_proto,
		annotations.File_google_api_resource_proto,
		annotations.File_google_api_routing_proto,
		httpbody.File_google_api_httpbody_proto,
		code.File_google_rpc_code_proto,
		errdetails.File_google_rpc_error_details_proto,
		status.File_google_rpc_status_proto,
		// Newer than those that the parser brings along.
		descriptorpb.File_google_protobuf_descriptor_proto,
		gofeaturespb.File_google_protobuf_go_features_proto,
		attribute_context.File_google_rpc_context_attribute_context_proto,
	} {
		add(f)
	}
	for _, f := range standardFiles() {
		add(f)
	}
	return all
})

// standardFiles returns the files that protoc installs beside itself.
func standardFiles() []protoreflect.FileDescriptor {
	none := protocompile.ResolverFunc(func(string) (protocompile.SearchResult, error) {
		return protocompile.SearchResult{}, protoregistry.NotFound
	})
	standard := protocompile.WithStandardImports(none)
	var files []protoreflect.FileDescriptor
	for _, name := range []string{"any", "api", "compiler/plugin", "cpp_features", "descriptor", "duration", "empty",
		"field_mask", "go_features", "java_features", "source_context", "struct", "timestamp", "type", "wrappers"} {
		if res, err := standard.FindFileByPath("google/protobuf/" + name + ".proto"); err == nil {
			files = append(files, res.Desc)
		}
	}
	return files
}
