module github.com/naru-rpc/naru/dynamic

go 1.26.0

require (
	github.com/naru-rpc/naru v0.1.0
	google.golang.org/protobuf v1.36.12
)

require github.com/klauspost/compress v1.20.3 // indirect
