// Package protosrc compiles .proto files in process, as protoc would, and says what is wrong with
// them in a form made for people.
//
// It stands on protocompile's parser and linker and adds what they leave to their caller: finding
// files, the descriptors everybody imports, and diagnostics that name every place involved. All
// files are checked in one run: a file that cannot be read or parsed is replaced by an empty one
// for those that import it, and what they could not know without it is not held against them.
//
// # Known limitations
//
// Editions up to 2024; the naming style that edition 2024 asks for is not checked. A file with
// syntax errors is checked no further than its syntax.
package protosrc
