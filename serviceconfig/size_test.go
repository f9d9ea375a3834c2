package serviceconfig_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/serviceconfig"
)

// An error of a config of any size is short: it is logged, and part of the status of every call.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	many := func(entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", 5000), ",") }
	for name, text := range map[string]string{
		"long key":            `{"` + long + `": 1}`,
		"key twice":           `{"methodConfig": [], "MethodConfig": [], "` + long + `": 1, "` + strings.ToUpper(long) + `": 1}`,
		"long value":          `{"loadBalancingPolicy": "` + long + `"}`,
		"long name":           `{"methodConfig": [{"name": [{"service": "` + long + `/"}]}]}`,
		"long method":         `{"methodConfig": [{"name": [{"service": "a", "method": "` + long + `/"}]}]}`,
		"long duration":       `{"methodConfig": [{"name": [{}], "timeout": "` + long + `"}]}`,
		"long code":           `{"methodConfig": [{"name": [{}], "retryPolicy": {"retryableStatusCodes": ["` + long + `"]}}]}`,
		"long number":         `{"retryThrottling": {"maxTokens": ` + strings.Repeat("9", 200_000) + `}}`,
		"long policy":         `{"loadBalancingConfig": [{"` + long + `": {}}]}`,
		"long header":         `{"loadBalancingConfig": [{"ring_hash": {"requestHashHeader": "` + long + `\u0001"}}]}`,
		"many policies":       `{"loadBalancingConfig": [` + many(`{"no_such": {}}`) + `]}`,
		"many bad methods":    `{"methodConfig": [` + many(`{"name": [{"service": "a/b"}]}`) + `]}`,
		"many equal methods":  `{"methodConfig": [` + many(`{"name": [{"service": "a"}]}`) + `]}`,
		"many unknown keys":   `{` + strings.TrimSuffix(manyKeys(5000), ",") + `}`,
		"not JSON":            long,
		"deep":                deep,
		"object where number": `{"retryThrottling": {"maxTokens": {"` + long + `": 1}}}`,
	} {
		_, err := serviceconfig.Parse(text, balancer.Builtin())
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if n := len(err.Error()); n > 20*700 || n > 2000 && !strings.HasPrefix(name, "many") {
			t.Errorf("%s: an error of %d bytes: %.200s", name, n, err)
		}
	}
	var c serviceconfig.Config
	for range 5000 {
		c.MethodConfig = append(c.MethodConfig, serviceconfig.MethodConfig{Name: []serviceconfig.Name{{Service: "a/b" + long[:1000]}}})
	}
	if err := c.Validate(); err == nil || len(err.Error()) > 20*700 {
		t.Errorf("Validate: an error of %d bytes", len(fmt.Sprint(err)))
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d": 1,`, i)
	}
	return b.String()
}
