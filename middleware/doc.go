// Package middleware holds interceptors that most services need: an access log, limits on
// concurrency, adaptive load shedding, timeouts per method, request ids, recovery from panics, a
// cache, and faults for tests. Each is one naru.Interceptor for calls of all four kinds; where it
// makes sense on both sides, the same one serves both. They are added with naru.WithInterceptors or
// naru.WithInterceptorsFor, the first one outermost:
//
//	naru.WithInterceptors(
//		middleware.RequestID(middleware.RequestIDConfig{}),
//		middleware.AccessLog(middleware.AccessLogConfig{Logger: logger}),
//		middleware.ShedLoad(middleware.ShedLoadConfig{}),
//		middleware.Timeouts(middleware.TimeoutsConfig{Default: middleware.Timeout{Max: 10 * time.Second}}),
//		middleware.Recover(nil),
//	)
//
// The zero value of every config is usable. Interceptors that need other modules are in modules of
// their own under contrib. The package starts no goroutines.
package middleware
