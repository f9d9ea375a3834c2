package main

func Example() {
	main()
	// Output:
	// map[first:50 second:50]
}
