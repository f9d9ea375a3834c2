package main

func Example() {
	main()
	// Output:
	// the client got: DEADLINE_EXCEEDED
	// after about 100 ms: true
	// the second server had what was left of it: true
}
