package main

func Example() {
	main()
	// Output:
	// 200 {"message":"Hello, Ana!"}
	// 400 {"code":"invalid_argument","message":"nobody is there to be greeted: name is empty"}
}
