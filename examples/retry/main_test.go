package main

func Example() {
	main()
	// Output:
	// without a retry: ABORTED "", calls received: 1
	// with a retry policy: OK "Hello, Ana!", calls received: 3
	// hedged: OK "Hello, Ana!", calls received: 3
	// retries: 2 hedges: 2
}
