// Package dynamic calls the methods of any gRPC server without generated code. The messages' types
// come from the server itself, by reflection, or from descriptors.
//
//	client, err := naru.NewClient("localhost:50051", naru.WithPlaintext())
//	shop := dynamic.NewClient(client)
//	reply, err := shop.Call(ctx, "ecommerce.ProductInfo/getProduct", map[string]any{"value": "1"})
//	text, err := shop.JSON(ctx, reply)
//
// # Names
//
// A method is named "package.Service/Method", with a dot or a slash before the method, with or
// without a slash in front. Leading parts of the package may be left out while one method of the
// schema fits: "ProductInfo/getProduct", "getProduct". A name that fits none is an error that
// suggests the nearest.
//
// # Requests
//
// A request is JSON ([]byte, json.RawMessage or string), a map[string]any as encoding/json makes
// it, a proto.Message of the method's type, or nil for an empty message.
//
// # Schemas
//
// A [Source] finds descriptors: [Reflection] asks a server, [Files] and [DescriptorSet] hold what a
// program has, [Linked] is what the program was linked with, and [Join] asks several in turn.
// What reflection has found is kept until [ReflectionSource.Reset].
package dynamic
