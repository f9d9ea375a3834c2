package reflection

import (
	"fmt"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// sentFiles are the paths of the files a stream's client has already. There can be no more
// than there are files.
type sentFiles map[string]bool

// answer answers one question. What is not found is part of the answer; an error, which ends the
// stream, is made by a message that asks nothing.
func (v *view) answer(req *request, sent sentFiles) (*response, error) {
	res := &response{ValidHost: req.GetHost(), OriginalRequest: req}
	switch q := req.GetMessageRequest().(type) {
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		f, err := v.fileByPath(q.FileByFilename)
		if err == nil && !v.sees(f) {
			f, err = nil, notFound("file %.200q", q.FileByFilename)
		}
		v.setFile(res, f, err, sent)
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		f, err := v.fileOfSymbol(q.FileContainingSymbol)
		v.setFile(res, f, err, sent)
	case *reflectionpb.ServerReflectionRequest_FileContainingExtension:
		e := q.FileContainingExtension
		f, err := v.fileOfExtension(e.GetContainingType(), e.GetExtensionNumber())
		v.setFile(res, f, err, sent)
	case *reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType:
		v.setExtensions(res, q.AllExtensionNumbersOfType)
	case *reflectionpb.ServerReflectionRequest_ListServices:
		list := new(reflectionpb.ListServiceResponse)
		for _, name := range v.names() {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		res.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
	default:
		return nil, status.Error(codes.InvalidArgument, "reflection: the request has no message_request, or one this server does not know")
	}
	return res, nil
}

// setFile answers with a file and what it imports, as far as the client does not have it.
func (v *view) setFile(res *response, f protoreflect.FileDescriptor, err error, sent sentFiles) {
	if err != nil {
		setError(res, err)
		return
	}
	files := new(reflectionpb.FileDescriptorResponse)
	if err := v.appendFile(files, f, sent); err != nil {
		setError(res, err)
		return
	}
	res.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: files}
}

// appendFile adds f even if it was sent before, since it was asked for, and its imports if not.
func (v *view) appendFile(to *reflectionpb.FileDescriptorResponse, f protoreflect.FileDescriptor, sent sentFiles) error {
	sent[f.Path()] = true
	queue := []protoreflect.FileDescriptor{f}
	for len(queue) > 0 {
		f, queue = queue[0], queue[1:]
		b, err := v.encoded(f)
		if err != nil {
			return err
		}
		to.FileDescriptorProto = append(to.FileDescriptorProto, b)
		imports := f.Imports()
		for i := range imports.Len() {
			imported := v.resolved(imports.Get(i).FileDescriptor)
			if imported != nil && !sent[imported.Path()] {
				sent[imported.Path()] = true
				queue = append(queue, imported)
			}
		}
	}
	return nil
}

func (v *view) setExtensions(res *response, message string) {
	numbers, err := v.extensionNumbers(message)
	if err != nil {
		setError(res, err)
		return
	}
	res.MessageResponse = &reflectionpb.ServerReflectionResponse_AllExtensionNumbersResponse{
		AllExtensionNumbersResponse: &reflectionpb.ExtensionNumberResponse{
			BaseTypeName:    message,
			ExtensionNumber: numbers,
		},
	}
}

func setError(res *response, err error) {
	s := status.Convert(err)
	res.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &reflectionpb.ErrorResponse{
			ErrorCode:    int32(s.Code()),
			ErrorMessage: s.Message(),
		},
	}
}

func notFound(what string, args ...any) error {
	return status.Errorf(codes.NotFound, "reflection: no %s is known to this server", fmt.Sprintf(what, args...))
}
