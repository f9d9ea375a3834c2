// Package shop is the demonstration every part of naru is tried on: a small shop with two services,
// [ecommerce.ProductInfoServer] and [ecommerce.OrderManagementServer], which between them have all
// four kinds of call.
//
//	st, err := store.Open(ctx, "shop.db")
//	...
//	srv, err := naru.NewServer()
//	...
//	shop.Register(srv, st)
//	err = srv.ListenAndServe(ctx, ":50051")
//
// What the shop does is in [Catalogue] and [Orders], which know nothing of a server: they take
// messages and functions to receive and send with, and return errors of package status. How that is
// put on naru is in server.go, and shorter.
//
// The .proto files are in the folder proto. Method names start in lower case there, which is part
// of the wire path.
package shop
