package wordcount

import "testing"

func TestCounts(t *testing.T) {
	if got := Count("a rose is a rose")["rose"]; got != 2 {
		t.Errorf("%d roses", got)
	}
}

func TestCountsWithoutCase(t *testing.T) {
	if got := Count("A rose is a rose")["a"]; got != 2 {
		t.Errorf("%d times a, and not 2", got)
	}
}
