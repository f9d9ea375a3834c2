package main

func Example() {
	main()
	// Output:
	// RESOURCE_EXHAUSTED
	// received message of 2051 bytes is larger than the limit of 1024 bytes (the server's Limits.MaxReceiveMessageSize)
	// RESOURCE_EXHAUSTED
	// the call cannot be sent: the request header of 2510 bytes is larger than the 2048 bytes the server accepts (SETTINGS_MAX_HEADER_LIST_SIZE; in naru Limits.MaxHeaderListSize)
	// naru: new server: WithLimits: StreamWindow -1: want 65535 to 1073741824, or 0 for the default
	// naru: new server: WithLimits: ServerMemory 1: want at least 65536, 0 for the default, or negative for no limit
}
