package serviceconfig

import (
	"strings"
	"testing"
)

// gRFC A2, "Canarying Changes".
func TestChoose(t *testing.T) {
	const list = `[
		{"clientLanguage": ["C++", "java"], "serviceConfig": {"n": 1}},
		{"clientLanguage": ["GO"], "clientHostname": ["canary"], "serviceConfig": {"n": 2}},
		{"percentage": 10, "serviceConfig": {"n": 3}},
		{"percentage": 0, "serviceConfig": {"n": 4}},
		{"clientHostname": [], "clientLanguage": ["go"], "serviceConfig": {"n": [5, "x", true, null, {}, []]}}
	]`
	for _, tt := range []struct {
		client Client
		want   string
	}{
		{Client{Language: "go", Hostname: "canary", Percentile: 50}, `{"n":2}`},
		{Client{Language: "go", Hostname: "Canary", Percentile: 50}, `{"n":[5,"x",true,null,{},[]]}`},
		{Client{Language: "go", Hostname: "x", Percentile: 9}, `{"n":3}`},
		{Client{Language: "go", Hostname: "x", Percentile: 10}, `{"n":[5,"x",true,null,{},[]]}`},
		{Client{Language: "python", Percentile: 99}, ""},
		{Client{Language: "Java"}, `{"n":1}`},
	} {
		if got, err := Choose(list, tt.client); err != nil || got != tt.want {
			t.Errorf("%+v: got %s, %v; want %s", tt.client, got, err, tt.want)
		}
	}
}

func TestChooseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                              "an object where a list of choices should be",
		`[{}]`:                            "[0].serviceConfig: null where an object",
		`[{"serviceConfig": 1}]`:          "[0].serviceConfig: the number 1",
		`[{"serviceConfig": {}, "x": 1}]`: "[0].x: unknown key",
		`[{"serviceConfig": {}}, 1]`:      "[1]: the number 1",
		`[{"serviceConfig": {}, "percentage": 101}]`:      "[0].percentage: 101 is more than 100",
		`[{"serviceConfig": {}, "clientLanguage": "go"}]`: "[0].clientLanguage: the string \"go\" where a list",
		`[{"serviceConfig": {}, "clientLanguage": [1]}]`:  "[0].clientLanguage[0]: the number 1",
		`[`: "ends too early",
	} {
		if got, err := Choose(in, Client{Language: "go"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Choose(%s): got %s, %v; want %s", in, got, err, want)
		}
	}
}
