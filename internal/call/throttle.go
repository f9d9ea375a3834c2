package call

// A Throttle is the retry budget of gRFC A6 ("Throttling Retry Attempts and Hedged RPCs").
type Throttle struct{}
