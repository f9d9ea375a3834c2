// Package testpb holds .proto files and the code generated from them: the generator's golden files, which
// are compiled and called by its tests.
//
// protoc.binpb is what protoc makes of the files; edition.binpb, of a language protoc's older releases do
// not know, is from "naru gen --descriptor-set".
package testpb
