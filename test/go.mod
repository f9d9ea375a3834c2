module github.com/naru-rpc/naru/test

go 1.26.0

require (
	github.com/naru-rpc/naru v0.0.0
	github.com/naru-rpc/naru/examples v0.0.0
	golang.org/x/net v0.62.0
)

require (
	connectrpc.com/connect v1.21.1 // indirect
	github.com/cncf/xds/go v0.0.0-20260202195803-dba9d589def2 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260825221802-da73d73af1c5 // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/naru-rpc/naru => ..
	github.com/naru-rpc/naru/examples => ../examples
)
