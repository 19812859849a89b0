// Package greeting knows what is said.
package greeting

import "strings"

// Of is the sentence for somebody, or for everybody.
func Of(name string) string {
	name = strings.TrimSpace(name)
	if name == "" {
		return "Hello, world!"
	}
	return "Hello, " + name + "!"
}
