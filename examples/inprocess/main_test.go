package main

func Example() {
	main()
	// Output:
	// Hello, Ana, over inproc!
}
