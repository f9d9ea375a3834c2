package serviceconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/codes"
)

// testPolicies knows a plain policy, one with a child, and one with a setting.
type testPolicies struct{}

type testPolicy struct {
	PolicyName string
	Choices    int
	Child      Policy
}

func (p testPolicy) Name() string { return p.PolicyName }

func (testPolicies) PolicyNames() []string {
	return []string{"least_request_experimental", "outlier_detection_experimental", "pick_first", "round_robin"}
}

func (testPolicies) ParsePolicy(name string, o *Object) (Policy, bool) {
	p := testPolicy{PolicyName: name}
	switch name {
	case "pick_first", "round_robin":
	case "least_request_experimental":
		o.Int("choiceCount", &p.Choices, 2, 1<<31-1)
	case "outlier_detection_experimental":
		p.Child = o.Policy("childPolicy")
	default:
		return nil, false
	}
	return p, true
}

func yes() *bool { b := true; return &b }

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     *Config
	}{
		{"empty", `{}`, &Config{}},
		{"nulls are absent", `{"methodConfig": null, "retryThrottling": null, "loadBalancingConfig": null}`, &Config{}},
		{"everything", `{
			"loadBalancingConfig": [{"from_the_future": {"x": 1}}, {"round_robin": {}}, {"pick_first": {"ignored": true}}],
			"methodConfig": [{
				"name": [{"service": "pkg.S", "method": "m"}, {"service": "pkg.T"}, {}],
				"waitForReady": true, "timeout": "1.5s",
				"maxRequestMessageBytes": 1024, "maxResponseMessageBytes": "2048",
				"retryPolicy": {
					"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
					"retryableStatusCodes": ["UNAVAILABLE", "aborted", 8], "perAttemptRecvTimeout": ".5s"
				}
			}, {
				"name": [{"service": "pkg.S", "method": "n"}],
				"hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.000000001s", "nonFatalStatusCodes": [14, "INTERNAL"]}
			}],
			"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
			"healthCheckConfig": {"serviceName": ""},
			"connectionScaling": {"maxConnectionsPerSubchannel": 3}
		}`, &Config{
			LoadBalancingConfig: testPolicy{PolicyName: "round_robin"},
			MethodConfig: []MethodConfig{{
				Name:         []Name{{"pkg.S", "m"}, {"pkg.T", ""}, {}},
				WaitForReady: yes(), Timeout: 1500 * time.Millisecond, MaxRequestMessageBytes: 1024, MaxResponseMessageBytes: 2048,
				RetryPolicy: &RetryPolicy{
					MaxAttempts: 4, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second, BackoffMultiplier: 2,
					RetryableStatusCodes:  []codes.Code{codes.Unavailable, codes.Aborted, codes.ResourceExhausted},
					PerAttemptRecvTimeout: 500 * time.Millisecond,
				},
			}, {
				Name:          []Name{{"pkg.S", "n"}},
				HedgingPolicy: &HedgingPolicy{MaxAttempts: 3, HedgingDelay: 1, NonFatalStatusCodes: []codes.Code{codes.Unavailable, codes.Internal}},
			}},
			RetryThrottling:   &RetryThrottling{MaxTokens: 10, TokenRatio: 0.1},
			HealthCheckConfig: &HealthCheckConfig{},
			ConnectionScaling: &ConnectionScaling{MaxConnectionsPerSubchannel: 3},
		}},
		{"policy within a policy", `{"loadBalancingConfig": [{"outlier_detection_experimental": {
			"childPolicy": [{"least_request_experimental": {"choiceCount": 2}}]}}]}`,
			&Config{LoadBalancingConfig: testPolicy{PolicyName: "outlier_detection_experimental",
				Child: testPolicy{PolicyName: "least_request_experimental", Choices: 2}}}},
		{"the field before loadBalancingConfig", `{"loadBalancingPolicy": "ROUND_ROBIN"}`, &Config{LoadBalancingConfig: testPolicy{PolicyName: "round_robin"}}},
		{"loadBalancingConfig wins", `{"loadBalancingPolicy": "round_robin", "loadBalancingConfig": [{"pick_first": {}}]}`,
			&Config{LoadBalancingConfig: testPolicy{PolicyName: "pick_first"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in, testPolicies{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("want (-), got (+):\n%s", d)
			}
		})
	}
}

func inMethod(s string) string { return `{"methodConfig": [{"name": [{}], ` + s + `}]}` }

func inRetry(s string) string {
	return inMethod(`"retryPolicy": {"maxAttempts": 2, "initialBackoff": "1s", "maxBackoff": "1s", "backoffMultiplier": 1, "retryableStatusCodes": [14]` + s + `}`)
}

// refused are texts with mistakes.
var refused = []struct {
	in   string
	want []string // all the errors there are, or a part of each
}{
	// keys
	{inMethod(`"retrypolicy": {}`), []string{`methodConfig[0].retrypolicy: unknown key; did you mean "retryPolicy"?`}},
	{inMethod(`"retryPolcy": {}`), []string{`methodConfig[0].retryPolcy: unknown key; did you mean "retryPolicy"?`}},
	{inMethod(`"retry_policy": {}`), []string{`methodConfig[0].retry_policy: unknown key; did you mean "retryPolicy"?`}},
	{`{"retryPolicy": {}}`, []string{`retryPolicy: unknown key; it belongs into methodConfig[]`}},
	{`{"retryPolcy": {}}`, []string{`retryPolcy: unknown key; did you mean "retryPolicy", which belongs into methodConfig[]?`}},
	{inRetry(`, "hedgingDelay": "1s"`), []string{`methodConfig[0].retryPolicy.hedgingDelay: unknown key; it belongs into methodConfig[].hedgingPolicy`}},
	{`{"xyzzy": 1}`, []string{`xyzzy: unknown key; known here: connectionScaling, healthCheckConfig, loadBalancingConfig, loadBalancingPolicy, methodConfig, retryThrottling`}},
	{`{"methodConfig": [{"name": [{"svc": "a"}]}]}`, []string{`methodConfig[0].name[0].svc: unknown key; known here: method, service`}},
	{`{"a": 1, "a": 2}`, []string{`a: the key is there twice`}},
	{inMethod(`"timeout": "1s", "timeout": "2s"`), []string{`methodConfig[0].timeout: the key is there twice`}},
	{inMethod(`"timeout": "1s", "Timeout": "2s"`), []string{`methodConfig[0].Timeout: the key is there twice, as "timeout" too`}},
	// types
	{`[]`, []string{`a list where an object should be`}},
	{`null`, []string{`null where an object should be`}},
	{`{"methodConfig": {}}`, []string{`methodConfig: an object where a list should be`}},
	{`{"methodConfig": [1]}`, []string{`methodConfig[0]: the number 1 where an object should be`}},
	{inMethod(`"waitForReady": "true"`), []string{`methodConfig[0].waitForReady: the string "true" where true or false should be`}},
	{inMethod(`"timeout": 1`), []string{`methodConfig[0].timeout: the number 1 where a duration such as "1.5s" should be`}},
	{inMethod(`"maxRequestMessageBytes": 1.5`), []string{`methodConfig[0].maxRequestMessageBytes: 1.5 is not an integer`}},
	{inMethod(`"maxRequestMessageBytes": "many"`), []string{`methodConfig[0].maxRequestMessageBytes: many is not an integer`}},
	{inMethod(`"maxResponseMessageBytes": -1`), []string{`methodConfig[0].maxResponseMessageBytes: -1 is less than 1`}},
	{inMethod(`"maxResponseMessageBytes": 2147483648`), []string{`methodConfig[0].maxResponseMessageBytes: 2147483648 is more than 2147483647`}},
	{`{"methodConfig": [{"name": "a"}]}`, []string{`methodConfig[0].name: the string "a" where a list should be`}},
	{`{"retryThrottling": {"maxTokens": true, "tokenRatio": "x"}}`, []string{
		`retryThrottling.maxTokens: the boolean true where a number should be`, `retryThrottling.tokenRatio: "x" is not a number`}},
	{`{"healthCheckConfig": {"serviceName": 1}}`, []string{`healthCheckConfig.serviceName: the number 1 where a string should be`}},
	// durations
	{inMethod(`"timeout": "1"`), []string{`methodConfig[0].timeout: "1" is not a duration`}},
	{inMethod(`"timeout": "1ms"`), []string{`methodConfig[0].timeout: "1ms" is not a duration`}},
	{inMethod(`"timeout": "s"`), []string{`methodConfig[0].timeout: "s" is not a duration`}},
	{inMethod(`"timeout": "1.s"`), []string{`methodConfig[0].timeout: "1.s" is not a duration`}},
	{inMethod(`"timeout": "1.0000000001s"`), []string{`methodConfig[0].timeout: "1.0000000001s" is not a duration`}},
	{inMethod(`"timeout": "+1s"`), []string{`methodConfig[0].timeout: "+1s" is not a duration`}},
	{inMethod(`"timeout": "-1s"`), []string{`methodConfig[0].timeout: -1s is negative`}},
	{inMethod(`"timeout": "0s"`), []string{`methodConfig[0].timeout: no call would end in 0s`}},
	{inMethod(`"timeout": "99999999999s"`), []string{`methodConfig[0].timeout: "99999999999s" is longer than`}},
	// names
	{`{"methodConfig": [{}]}`, []string{`methodConfig[0].name: it is missing`}},
	{`{"methodConfig": [{"name": [{"method": "m"}]}]}`, []string{`methodConfig[0].name[0].service: it is missing, though a method is named`}},
	{`{"methodConfig": [{"name": [{"service": "/a"}]}]}`, []string{`methodConfig[0].name[0].service: "/a" has a slash`}},
	{`{"methodConfig": [{"name": [{"service": "a", "method": "a/b"}]}]}`, []string{`methodConfig[0].name[0].method: "a/b" has a slash`}},
	{`{"methodConfig": [{"name": [{"service": "a"}]}, {"name": [{"service": "a"}]}]}`, []string{`methodConfig[1].name[0]: a was named before, in methodConfig[0].name[0]`}},
	// retries: gRFC A6
	{inMethod(`"retryPolicy": {}`), []string{
		`methodConfig[0].retryPolicy.maxAttempts: it is missing`, `methodConfig[0].retryPolicy.initialBackoff: it is missing`,
		`methodConfig[0].retryPolicy.maxBackoff: it is missing`, `methodConfig[0].retryPolicy.backoffMultiplier: it is missing`,
		`methodConfig[0].retryPolicy.retryableStatusCodes: it is missing`}},
	{inMethod(`"retryPolicy": {"maxAttempts": 1, "initialBackoff": "0s", "maxBackoff": "-1s", "backoffMultiplier": 0, "retryableStatusCodes": []}`), []string{
		`methodConfig[0].retryPolicy.maxAttempts: 1 is less than 2`}},
	{inMethod(`"retryPolicy": {"maxAttempts": 2, "initialBackoff": "0s", "maxBackoff": "-1s", "backoffMultiplier": 0, "retryableStatusCodes": []}`), []string{
		`methodConfig[0].retryPolicy.initialBackoff: 0s is not above 0`, `methodConfig[0].retryPolicy.maxBackoff: -1s is not above 0`,
		`methodConfig[0].retryPolicy.backoffMultiplier: 0 is not above 0`, `methodConfig[0].retryPolicy.retryableStatusCodes: it is missing or empty`}},
	{inMethod(`"hedgingPolicy": {"maxAttempts": 2, "nonFatalStatusCodes": ["UNAVAILBLE", 17, "OOPS", true]}`), []string{
		`methodConfig[0].hedgingPolicy.nonFatalStatusCodes[0]: "UNAVAILBLE" is not a status code; did you mean "UNAVAILABLE"?`,
		`methodConfig[0].hedgingPolicy.nonFatalStatusCodes[1]: 17 is not a status code (0 to 16)`,
		`methodConfig[0].hedgingPolicy.nonFatalStatusCodes[2]: "OOPS" is not a status code`,
		`methodConfig[0].hedgingPolicy.nonFatalStatusCodes[3]: the boolean true where a status code should be`}},
	{inMethod(`"hedgingPolicy": {"maxAttempts": 2, "nonFatalStatusCodes": [0]}`), []string{`methodConfig[0].hedgingPolicy.nonFatalStatusCodes[0]: OK is not a failure`}},
	{inMethod(`"hedgingPolicy": {}`), []string{`methodConfig[0].hedgingPolicy.maxAttempts: it is missing`}},
	{inRetry(`}, "hedgingPolicy": {"maxAttempts": 2`), []string{`methodConfig[0]: retryPolicy and hedgingPolicy exclude each other`}},
	{`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0}}`, []string{
		`retryThrottling.maxTokens: 1001 is not above 0 and up to 1000`, `retryThrottling.tokenRatio: 0 is not above 0`}},
	{`{"retryThrottling": {}}`, []string{`retryThrottling.maxTokens: it is missing`, `retryThrottling.tokenRatio: it is missing`}},
	{`{"retryThrottling": {"maxTokens": 1e999, "tokenRatio": 1}}`, []string{`retryThrottling.maxTokens: "1e999" is not a number`}},
	// policies
	{`{"loadBalancingConfig": []}`, []string{`loadBalancingConfig: the list is empty`}},
	{`{"loadBalancingConfig": [{"round_robbin": {}}]}`, []string{`loadBalancingConfig: there is no policy "round_robbin"; did you mean "round_robin"?`}},
	{`{"loadBalancingConfig": [{"xds": {}}, {"grpclb": {}}]}`, []string{`loadBalancingConfig: none of the policies is known: xds, grpclb (known: least_request_experimental, outlier_detection_experimental, pick_first, round_robin)`}},
	{`{"loadBalancingConfig": [{"round_robin": {}, "pick_first": {}}]}`, []string{`loadBalancingConfig[0]: an object with 2 keys where an object with one key`}},
	{`{"loadBalancingConfig": ["round_robin"]}`, []string{`loadBalancingConfig[0]: the string "round_robin" where an object with one key`}},
	{`{"loadBalancingConfig": [{"round_robin": 1}]}`, []string{`loadBalancingConfig[0].round_robin: the number 1 where an object should be`}},
	{`{"loadBalancingConfig": [{"least_request_experimental": {"choiceCount": 1}}]}`, []string{`loadBalancingConfig[0].least_request_experimental.choiceCount: 1 is less than 2`}},
	{`{"loadBalancingConfig": [{"least_request_experimental": {"choices": 2}}]}`, []string{`loadBalancingConfig[0].least_request_experimental.choices: unknown key; known here: choiceCount`}},
	{`{"loadBalancingConfig": [{"round_robin": {"x": 1}}]}`, []string{`loadBalancingConfig[0].round_robin.x: unknown key; no keys are known here`}},
	{`{"loadBalancingConfig": [{"outlier_detection_experimental": {"childPolicy": [{"roundrobin": {}}]}}]}`, []string{
		`loadBalancingConfig[0].outlier_detection_experimental.childPolicy: there is no policy "roundrobin"; did you mean "round_robin"?`}},
	{`{"loadBalancingPolicy": "grpclb"}`, []string{`loadBalancingPolicy: there is no policy "grpclb"`}},
	{`{"connectionScaling": {"maxConnectionsPerSubchannel": -1}}`, []string{`connectionScaling.maxConnectionsPerSubchannel: -1 is less than 0`}},
	// the text
	{``, []string{`ends too early (line 1, column 1)`}},
	{"{\n  \"methodConfig\": [\n", []string{`ends too early (line 3, column 1)`}},
	{"{\n  \"methodConfig\" []}", []string{`(line 2, `}},
	{`{} /* no end`, []string{`something follows the end of the JSON value (line 1, column 5)`}},
	{`{} {}`, []string{`something follows the end of the JSON value (line 1, `}},
	{strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100), []string{`nested more than 64 levels deep`}},
}

// TestParseRefuses: each text has the mistakes listed, and no others.
func TestParseRefuses(t *testing.T) {
	for _, tt := range refused {
		c, err := Parse(tt.in, testPolicies{})
		if err == nil {
			t.Errorf("Parse(%s): got %+v, want errors %q", tt.in, c, tt.want)
			continue
		}
		if got := strings.Count(err.Error(), "service config: "); got != len(tt.want) {
			t.Errorf("Parse(%s): got %d errors, want %d:\n%v", tt.in, got, len(tt.want), err)
		}
		for _, w := range tt.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("Parse(%s):\ngot  %v\nwant %s", tt.in, err, w)
			}
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%s): %T is not made of *Error", tt.in, err)
		}
	}
}

// TestParseLenient: gRFC A21, "unknown fields do not affect validation".
func TestParseLenient(t *testing.T) {
	const text = `{"new": 1, "methodConfig": [{"name": [{}], "timeout": "1s", "new": {}}, {"timeout": "2s"}]}`
	c, err := ParseLenient(text, testPolicies{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{MethodConfig: []MethodConfig{{Name: []Name{{}}, Timeout: time.Second}}}
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	if _, err := ParseLenient(`{"methodConfig": [{"name": [{}], "timeout": "1"}]}`, testPolicies{}); err == nil {
		t.Errorf("a wrong value passed: leniency is for unknown keys only")
	}
}

// TestPublishedExamples: configs as gRPC's documents and grpc-go's examples have them.
func TestPublishedExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(text), testPolicies{}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestValidateTypedValues(t *testing.T) {
	c := &Config{
		MethodConfig: []MethodConfig{{
			Name:    []Name{{Service: "s", Method: "m"}},
			Timeout: -1, MaxRequestMessageBytes: -1,
			RetryPolicy:   &RetryPolicy{MaxAttempts: 1, RetryableStatusCodes: []codes.Code{99}},
			HedgingPolicy: &HedgingPolicy{MaxAttempts: 2, HedgingDelay: -1},
		}},
		ConnectionScaling: &ConnectionScaling{MaxConnectionsPerSubchannel: -1},
	}
	err := c.Validate()
	for _, want := range []string{
		"methodConfig[0].timeout: -1ns is negative", "methodConfig[0].maxRequestMessageBytes: -1 is negative",
		"exclude each other", "retryPolicy.maxAttempts: 1 is less than 2", "retryPolicy.retryableStatusCodes[0]: 99",
		"hedgingPolicy.hedgingDelay: -1ns is negative", "maxConnectionsPerSubchannel: -1 is negative",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := (*Config)(nil).Validate(); err != nil {
		t.Errorf("no config: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/examples/*.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"methodConfig":[{"name":[{}],"timeout":"1.000000001s","waitForReady":null}]}`)
	f.Add(`{"loadBalancingConfig":[{"outlier_detection_experimental":{"childPolicy":[{"round_robin":{}}]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text, testPolicies{})
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("Parse(%q) let pass what Validate refuses: %v", text, err)
			}
			if _, err := ParseLenient(text, testPolicies{}); err != nil {
				t.Errorf("Parse(%q) passed, ParseLenient did not: %v", text, err)
			}
		}
		// Writing a tree and reading it again changes nothing.
		n, err := readTree(text)
		if err != nil {
			return
		}
		again, err := readTree(writeNode(n))
		if err != nil || writeNode(again) != writeNode(n) {
			t.Errorf("readTree(%q): written as %q, read as %q, %v", text, writeNode(n), writeNode(again), err)
		}
	})
}
