package printable

import (
	"fmt"
	"strings"
)

// maxListed bounds the sentences that a message lists.
const maxListed = 3

// Listed joins the first few of some sentences, and says how many more there are.
func Listed(sentences []string) string {
	if len(sentences) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(sentences[:maxListed], "; "), len(sentences)-maxListed)
	}
	return strings.Join(sentences, "; ")
}
