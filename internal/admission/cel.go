package admission

import (
	"fmt"
	"strconv"
	"strings"
)

// quote is a string as a CEL literal.
func quote(s string) string {
	return strconv.QuoteToASCII(s)
}

// list is a CEL list of string literals.
func list[S ~string](elements []S) string {
	quoted := make([]string, 0, len(elements))
	for _, e := range elements {
		quoted = append(quoted, quote(string(e)))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// all holds if all conditions do; without any it holds.
func all(conditions []string) string {
	return joined(conditions, " && ", "true")
}

// some holds if any condition does; without any it does not.
func some(conditions []string) string {
	return joined(conditions, " || ", "false")
}

func joined(conditions []string, operator, none string) string {
	switch len(conditions) {
	case 0:
		return none
	case 1:
		return conditions[0]
	}
	return "(" + strings.Join(conditions, operator) + ")"
}

// maxWords bounds what a message lists, which the API server drops if it is too long.
const maxWords = 8

// words is a list as prose has it.
func words[S ~string](elements []S) string {
	plain := make([]string, 0, len(elements))
	for _, e := range elements[:min(len(elements), maxWords)] {
		plain = append(plain, string(e))
	}
	if more := len(elements) - len(plain); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(plain, ", "), more)
	}
	return strings.Join(plain, ", ")
}
