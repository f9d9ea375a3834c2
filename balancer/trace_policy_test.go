package balancer

// setPolicy makes a balancer, or changes the configuration of the one there is.
func (tr *tracer) setPolicy(name, config string) {
	switch name {
	case "pick_first":
		tr.policy = PickFirst{Shuffle: config == `{"shuffleAddressList":true}`}
	case "pick_first_child":
		tr.policy = PickFirst{petiole: true}
	default:
		tr.t.Fatalf("unknown policy %q", name)
	}
	if tr.bal == nil {
		tr.bal = tr.policy.New(tr.h)
	}
}
