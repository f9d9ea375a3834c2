module github.com/naru-rpc/naru/cmd/naru

go 1.26.0

require (
	github.com/bufbuild/protocompile v0.14.1
	github.com/naru-rpc/naru v0.0.0-00010101000000-000000000000
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
	google.golang.org/genproto/googleapis/api v0.0.0-20260817212433-ac3dfec99bb1
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260825221802-da73d73af1c5
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	golang.org/x/sync v0.8.0 // indirect
)

replace github.com/naru-rpc/naru => ../..
