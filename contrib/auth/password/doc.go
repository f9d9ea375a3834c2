// Package password checks user names and passwords against a file of hashes, as auth.Basic's check:
//
//	users, err := password.Open("/etc/shop/users", password.Config{})
//	srv, err := naru.NewServer(naru.WithAuthenticator(auth.Require(auth.Cached(auth.Basic(users.Check), auth.CacheConfig{}))))
//
// Hashes are Argon2id's (RFC 9106), or bcrypt's as `htpasswd -B` writes them. auth.Cached is
// advisable: a hash takes tens of milliseconds, on purpose.
package password
