package wordcount

import "testing"

func TestCounts(t *testing.T) {
	if got := Count("a rose is a rose")["rose"]; got != 2 {
		t.Errorf("%d roses", got)
	}
}
