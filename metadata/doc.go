// Package metadata holds the key-value pairs that travel beside messages: with the request,
// ahead of the response (header) and after it (trailer).
//
// Keys are lower-case; every function here that takes a key lowers it. Values of keys that
// end in "-bin" are arbitrary bytes and travel in base64; all others are printable ASCII. A key
// may have several values, whose order is kept; the order between keys is not.
//
// Printing an [MD], also through log/slog, shows no secrets: see [MD.String].
package metadata
