// Package narutest helps testing programs made with naru: a network in memory, a server and
// client in one line, and a check for goroutines left behind.
//
//	func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }
//
//	func TestShop(t *testing.T) {
//		client := narutest.Serve(t, func(s naru.ServiceRegistrar) {
//			pb.RegisterProductInfoServer(s, &shop{})
//		})
//		id, err := pb.NewProductInfoClient(client).AddProduct(t.Context(), product)
//		...
//	}
//
// There are no sockets and no ports, so that tests may run in parallel and inside
// testing/synctest bubbles, where timeouts and keepalive pass in no time.
package narutest
