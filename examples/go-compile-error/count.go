// Package wordcount counts words.
package wordcount

import "strings"

// Count says how often each word is in a text.
func Count(text string) map[string]int {
	counts := map[string]int{}
	for _, word := range strings.Fields(text) {
		counts[word] += "1"
	}
	return counts
}
