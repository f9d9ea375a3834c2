module github.com/naru-rpc/naru/test

go 1.26.0

require github.com/naru-rpc/naru v0.0.0

replace github.com/naru-rpc/naru => ..
