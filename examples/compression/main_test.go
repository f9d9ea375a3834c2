package main

func Example() {
	main()
	// Output:
	//         more than 16,000 bytes
	// gzip    less than 1,000 bytes
	// zstd    less than 1,000 bytes
	// brotli  INTERNAL
}
