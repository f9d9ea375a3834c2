// Package stub is what generated code is made of: it binds typed handlers to methods and begins
// typed streams. Programs use it through the code that protoc-gen-naru and naru gen write; a
// program that registers methods without a .proto file uses it directly:
//
//	srv.RegisterService(&naru.ServiceDesc{
//		Name: "shop.Cart",
//		Methods: []naru.MethodDesc{
//			stub.UnaryHandler(&naru.MethodInfo{FullMethod: "/shop.Cart/Add"}, add),
//		},
//	})
//
// The functions are safe for concurrent use.
package stub
