package main

func Example() {
	main()
	// Output:
	// with a certificate: Hello, Ana!
	// without one: UNAVAILABLE
	// trusting nobody: UNAVAILABLE
}
