module github.com/naru-rpc/naru/contrib/auth

go 1.26.0

require (
	github.com/go-jose/go-jose/v4 v4.1.9
	github.com/naru-rpc/naru v0.1.0
	golang.org/x/crypto v0.59.0
	golang.org/x/oauth2 v0.38.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/sys v0.50.0 // indirect
)
