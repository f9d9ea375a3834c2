package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/limits"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
	"github.com/naru-rpc/naru/web"
)

// RunServer reads what kind of server the suite wants from in, starts it on a free port, tells the
// suite on out where it is, and serves until ctx is done.
func RunServer(ctx context.Context, in io.Reader, out io.Writer) error {
	var want pb.ServerCompatRequest
	if err := ReadMessage(in, &want); err != nil {
		return err
	}
	if want.HttpVersion != pb.HTTPVersion_HTTP_VERSION_1 && want.HttpVersion != pb.HTTPVersion_HTTP_VERSION_2 {
		return fmt.Errorf("asked for %v: this server speaks HTTP/1.1 and HTTP/2", want.HttpVersion)
	}
	opts := []naru.ServerOption{
		naru.WithLimits(limits.Limits{MaxReceiveMessageSize: int(want.MessageReceiveLimit)}),
		naru.WithCodecs(encoding.JSON()),
		naru.WithCompressors(Compressors()...),
		naru.WithWeb(web.Options{}), // gRPC is there in any case
	}
	reply := &pb.ServerCompatResponse{Host: "127.0.0.1"}
	if want.UseTls {
		config, err := serverTLS(&want)
		if err != nil {
			return err
		}
		opts = append(opts, naru.WithTLS(config))
		reply.PemCert = want.ServerCreds.Cert
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		return err
	}
	pb.RegisterConformanceServiceServer(srv, &Service{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	reply.Port = uint32(lis.Addr().(*net.TCPAddr).Port)
	if err := WriteMessage(out, reply); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	return srv.Serve(lis)
}

func serverTLS(want *pb.ServerCompatRequest) (*tls.Config, error) {
	if want.ServerCreds == nil {
		return nil, errors.New("asked for TLS without a certificate")
	}
	cert, err := tls.X509KeyPair(want.ServerCreds.Cert, want.ServerCreds.Key)
	if err != nil {
		return nil, fmt.Errorf("the certificate to use: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if len(want.ClientTlsCert) > 0 {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(want.ClientTlsCert) {
			return nil, errors.New("the certificate to accept clients with is not PEM")
		}
	}
	return config, nil
}
