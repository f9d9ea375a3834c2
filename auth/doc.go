// Package auth says who makes a call. Verifiers check what calls show - a client certificate, a
// password, a token - and Require makes them a server's authenticator, which runs before a byte of
// a call's messages is decoded:
//
//	passwords := auth.Basic(check)
//	srv, err := naru.NewServer(
//		naru.WithTLSFiles(files),
//		naru.WithAuthenticator(auth.Require(auth.ClientCertificate(), passwords)),
//		naru.WithAuthenticatorFor("grpc.health.v1.Health", nil), // probes have no credentials
//	)
//
//	func (s *shop) Order(ctx context.Context, r *pb.OrderRequest) (*pb.OrderResponse, error) {
//		caller, _ := auth.CallerFrom(ctx)
//		...
//	}
//
// Verifiers that need other modules are in module contrib/auth: packages jwt for JSON Web Tokens,
// oauth for token introspection, password for files of password hashes. Package
// auth/policy decides which caller may call what.
//
// The package starts no goroutines.
package auth
