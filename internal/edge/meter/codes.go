package meter

import "strconv"

// codes are the status codes that are counted one by one: those of the registry
// (RFC 9110 section 15, IANA), nginx's 499, and the edge's own. Others are counted
// by their class: an origin may invent any.
var codes = [...]int{
	100, 101, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 307, 308,
	400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499,
	500, 501, 502, 503, 504, 505, 506, 507, 508, 511, 520, 521, 522, 523, 524, 525, 526, 530,
}

// Classes stand behind the codes.
var classes = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

const slots = len(codes) + len(classes)

// slotOf leads from a status to its place.
var slotOf = func() (out [600]uint8) {
	for s := range out {
		out[s] = uint8(len(codes) + s/100) //nolint:gosec // fewer than 256 slots
	}
	for i, c := range codes {
		out[c] = uint8(i) //nolint:gosec // fewer than 256 slots
	}
	return out
}()

func slot(status int) uint8 {
	if status < 100 || status >= len(slotOf) {
		return uint8(len(codes))
	}
	return slotOf[status]
}

// label is what a slot is called.
func label(i int) string {
	if i < len(codes) {
		return strconv.Itoa(codes[i])
	}
	return classes[i-len(codes)]
}

// cacheStates are the values of CF-Cache-Status; DYNAMIC is what the cache had
// nothing to do with.
var cacheStates = [...]string{"DYNAMIC", "HIT", "MISS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "BYPASS"}

func cacheSlot(status string) int {
	for i, s := range cacheStates {
		if s == status {
			return i
		}
	}
	return 0
}
