package main

func Example() {
	main()
	// Output:
	// 안녕하세요, Ana!
	// header: [ko]
	// trailer: ["\x00\xff"]
}
