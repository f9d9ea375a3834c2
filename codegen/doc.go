// Package codegen writes the Go code that ties the services of .proto files to naru: for each file
// with services one <file>_naru.pb.go, beside the messages that protoc-gen-go writes or in a
// package of its own.
//
// protoc-gen-naru and "naru gen" are two ways to call it; both give the same bytes.
//
// # What a service becomes
//
// The names are those that users of protoc-gen-go-grpc know, so that moving over is a matter of
// changing imports. For a service ProductInfo:
//
//	ProductInfoServer               interface to implement; a missing method is a compile error
//	UnimplementedProductInfoServer  embed it to answer missing methods with UNIMPLEMENTED instead
//	RegisterProductInfoServer       adds an implementation to a server
//	ProductInfo_ServiceDesc         what it registers, for those who wrap or list services
//	ProductInfoClient               interface of the stub
//	NewProductInfoClient            the stub on a connection
//	ProductInfo_ServiceName         "package.ProductInfo"
//	ProductInfo_Get_FullMethodName  "/package.ProductInfo/Get", one per method
//	ProductInfo_WatchServer, -Client  aliases of the stream types, one per end of a streaming method
//
// A method's Go name is its name in camel case with the first letter raised (addProduct:
// AddProduct). The wire always carries the name as the .proto file spells it.
//
// # Known limitations
//
// Collisions of Go names are found among the files of one request. Two runs that write into the
// same Go package do not know of each other; there the compiler reports the collision.
package codegen
