package main

func Example() {
	main()
	// Output:
	// DEADLINE_EXCEEDED
	// naru: new client: WithServiceConfigJSON: service config: methodConfig[0].timout: unknown key; did you mean "timeout"?
}
