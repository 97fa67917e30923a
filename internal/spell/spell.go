// Package spell finds what a mistyped word may have meant.
package spell

// maxWord bounds the words that are compared: a long wrong one is far from
// everything, and comparing it would cost its length each time.
const maxWord = 64

// Distance is the number of letters to change, add or leave out between two
// words (Levenshtein).
func Distance(a, b string) int {
	if len(a) > maxWord {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// maxNear is how many letters two near words may differ by.
const maxNear = 2

// Nearest is the word that differs least from a wrong one, the first of several;
// sole tells that no other is as near. It is empty when none is near.
func Nearest(wrong string, words []string) (near string, sole bool) {
	least := maxNear + 1
	for _, w := range words {
		switch d := Distance(wrong, w); {
		case d < least:
			near, least, sole = w, d, true
		case d == least:
			sole = false
		}
	}
	return near, sole
}
