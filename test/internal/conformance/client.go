package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/limits"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
)

// RunClient reads calls from in until its end, makes them, at most parallel at a time, and writes
// what came of each to out, in the order in which they end.
func RunClient(ctx context.Context, in io.Reader, out io.Writer, parallel int) error {
	var (
		running sync.WaitGroup
		slots   = make(chan struct{}, parallel) // one token per running call
		mu      sync.Mutex
		failed  error // guarded by mu: the first failure to write; nothing can be reported after it
	)
	defer running.Wait()
	for {
		req := new(pb.ClientCompatRequest)
		if err := ReadMessage(in, req); err != nil {
			running.Wait()
			if err == io.EOF {
				err = nil
			}
			return errors.Join(err, failed)
		}
		slots <- struct{}{}
		running.Go(func() {
			res := report(ctx, req)
			mu.Lock()
			if err := WriteMessage(out, res); err != nil && failed == nil {
				failed = err
			}
			mu.Unlock()
			<-slots
		})
	}
}

// report makes the call of req and describes its result. A call that could not be made at all is
// reported as such: the suite tells it from one that failed.
func report(ctx context.Context, req *pb.ClientCompatRequest) *pb.ClientCompatResponse {
	res := &pb.ClientCompatResponse{TestName: req.TestName}
	result, err := makeCall(ctx, req)
	if err != nil {
		res.Result = &pb.ClientCompatResponse_Error{Error: &pb.ClientErrorResult{Message: err.Error()}}
		return res
	}
	res.Result = &pb.ClientCompatResponse_Response{Response: result}
	return res
}

func makeCall(ctx context.Context, req *pb.ClientCompatRequest) (*pb.ClientResponseResult, error) {
	if req.GetService() != pb.ConformanceService_ServiceName {
		return nil, fmt.Errorf("asked for service %q: this client knows %s", req.GetService(), pb.ConformanceService_ServiceName)
	}
	opts, err := clientOptions(req)
	if err != nil {
		return nil, err
	}
	target := net.JoinHostPort(req.Host, strconv.Itoa(int(req.Port)))
	cc, err := naru.NewClient(target, opts...)
	if err != nil {
		return nil, err
	}
	defer cc.Close()
	c, err := newCall(ctx, pb.NewConformanceServiceClient(cc), req)
	if err != nil {
		return nil, err
	}
	defer c.cancel()
	return c.result, c.run()
}

func clientOptions(req *pb.ClientCompatRequest) ([]naru.ClientOption, error) {
	opts := []naru.ClientOption{
		naru.WithLimits(limits.Limits{MaxReceiveMessageSize: int(req.MessageReceiveLimit)}),
		naru.WithCodecs(encoding.JSON()),
		naru.WithCompressors(Compressors()...),
	}
	if len(req.ServerTlsCert) == 0 {
		return append(opts, naru.WithPlaintext()), nil
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(req.ServerTlsCert) {
		return nil, errors.New("the server's certificate is not PEM")
	}
	if own := req.ClientTlsCreds; own != nil {
		cert, err := tls.X509KeyPair(own.Cert, own.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate to use: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return append(opts, naru.WithTLS(config)), nil
}
