package near

import "testing"

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 2}, {"kitten", "sitting", 3}} {
		if got := Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%q to %q: got %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := Distance(tc.b, tc.a); got != tc.want {
			t.Errorf("%q to %q: got %d, want %d", tc.b, tc.a, got, tc.want)
		}
	}
}

func TestBest(t *testing.T) {
	names := []string{"value", "name", "price"}
	for in, want := range map[string]string{"valu": "value", "NAME": "name", "prcie": "price", "destination": "", "": ""} {
		if got := Best(in, names); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
