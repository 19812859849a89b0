package greeting

import "testing"

func TestOf(t *testing.T) {
	for name, want := range map[string]string{"": "Hello, world!", " Ada ": "Hello, Ada!"} {
		if got := Of(name); got != want {
			t.Errorf("Of(%q) is %q, and not %q", name, got, want)
		}
	}
}
