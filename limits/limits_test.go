package limits

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestNegativeMeansNoLimit: the one rule for numbers, and the fields that say they are exceptions.
func TestNegativeMeansNoLimit(t *testing.T) {
	exceptions := map[string]bool{"StreamWindow": true, "ReceiveMemory": true, "MaxAttempts": true}
	typ := reflect.TypeFor[Limits]()
	for i := range typ.NumField() {
		var l Limits
		f := reflect.ValueOf(&l).Elem().Field(i)
		switch f.Interface().(type) {
		case int, time.Duration:
			f.SetInt(-1)
		case Rate:
			f.Set(reflect.ValueOf(Rate{Burst: -1}))
		case bool:
			continue
		default:
			t.Fatalf("%s is a %v: what does negative mean?", typ.Field(i).Name, f.Type())
		}
		err := l.Validate()
		if name := typ.Field(i).Name; exceptions[name] != (err != nil) {
			t.Errorf("%s at -1: %v; an exception: %v", name, err, exceptions[name])
		} else if err != nil && !strings.HasPrefix(err.Error(), name+" ") {
			t.Errorf("%s at -1: the error does not begin with its name: %v", name, err)
		}
	}
	if err := (Limits{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}

func TestValidate(t *testing.T) {
	wrong := map[string]Limits{
		"MaxHeaderListSize": {MaxHeaderListSize: 1<<28 + 1},
		"StreamWindow":      {StreamWindow: 65534},
		"ReceiveMemory":     {ReceiveMemory: 1<<30 + 1},
		"ServerMemory":      {ServerMemory: 65535},
		"Pings":             {Pings: Rate{PerSecond: 1}},
		"Settings":          {Settings: Rate{Burst: 1, PerSecond: -1}},
		"OddFrames":         {OddFrames: Rate{Burst: MaxRate + 1}},
	}
	if streams := int64(1) << 31; math.MaxInt > math.MaxInt32 { // an int of 32 bits cannot be that wrong
		wrong["MaxConcurrentStreams"] = Limits{MaxConcurrentStreams: int(streams)}
	}
	for name, l := range wrong {
		if err := l.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line about it", name, err)
		}
	}
	err := Limits{StreamWindow: 1, ServerMemory: 1}.Validate()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 2 {
		t.Errorf("two faults: %v, want two lines", err)
	}
}

func TestMerge(t *testing.T) {
	base := Limits{Handlers: 1, MaxConnections: 2, Pings: Rate{Burst: 3}}
	got := base.Merge(Limits{Handlers: -1, WriteStall: time.Second, Pings: Rate{Burst: 4, PerSecond: 5}, PingWithoutStreams: true})
	want := Limits{Handlers: -1, MaxConnections: 2, WriteStall: time.Second, Pings: Rate{Burst: 4, PerSecond: 5}, PingWithoutStreams: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if base.Handlers != 1 {
		t.Error("Merge changed its receiver")
	}
}

func TestCheckOnly(t *testing.T) {
	l := Limits{Handlers: 1, MaxSendMessageSize: 2}
	if err := l.CheckOnly("MaxSendMessageSize", "Handlers"); err != nil {
		t.Error(err)
	}
	if err := l.CheckOnly("MaxSendMessageSize"); err == nil || err.Error() != "Handlers cannot be set here; only MaxSendMessageSize can" {
		t.Errorf("got %v", err)
	}
}
