package xt

import (
	"fmt"
	"strings"
	"time"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// limitScale is XT_LIMIT_SCALE: an average of one per second is this many units.
const limitScale = 10_000

// rate renders an average the way iptables writes it.
func rate(avg uint64, scale uint64) string {
	if avg == 0 {
		return "0"
	}
	for _, u := range []struct {
		name string
		n    uint64
	}{{"day", 86400}, {"hour", 3600}, {"min", 60}, {"sec", 1}} {
		if n := scale * u.n; n >= avg && (n/avg < 1000 || u.n == 1) && n%avg < n/avg+1 {
			return fmt.Sprintf("%d/%s", n/avg, u.name)
		}
	}
	return fmt.Sprintf("%d/sec", scale/avg)
}

func matchLimit(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	avg, burst := r.u32(), r.u32()
	r.at = len(r.b) // the rest is the kernel's
	return Stateful{"limit", fmt.Sprintf("limit --limit %s --limit-burst %d", rate(uint64(avg), limitScale), burst)}, nil
}

func matchHashlimit(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "hashlimit", 0)
	}
	var name string
	var mode uint32
	var avg, burst, scale uint64
	if rev == 1 {
		name, mode = r.str(16), r.u32()
		avg, burst, scale = uint64(r.u32()), uint64(r.u32()), limitScale
	} else {
		name = r.str(255)
		r.align(8)
		avg, burst, mode, scale = r.u64(), r.u64(), r.u32(), 1_000_000
	}
	if r.bad {
		return nil, fmt.Errorf("too short")
	}
	r.at = len(r.b)
	var by []string
	for i, s := range []string{"dstip", "dstport", "srcip", "srcport"} {
		if mode>>i&1 != 0 {
			by = append(by, s)
		}
	}
	how := "--hashlimit-upto"
	if mode&0x10 != 0 {
		how = "--hashlimit-above"
	}
	text := fmt.Sprintf("hashlimit %s %s --hashlimit-burst %d", how, rate(avg, scale), burst)
	if len(by) > 0 {
		text += " --hashlimit-mode " + strings.Join(by, ",")
	}
	return Stateful{"hashlimit", text + " --hashlimit-name " + name}, nil
}

func matchConnlimit(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	r.skip(16)
	limit, flags := r.u32(), r.u32()
	r.at = len(r.b)
	how := "--connlimit-upto"
	if flags&1 == 0 {
		how = "--connlimit-above"
	}
	side := "saddr"
	if flags&2 != 0 {
		side = "daddr"
	}
	return Stateful{"connlimit", fmt.Sprintf("connlimit %s %d --connlimit-%s", how, limit, side)}, nil
}

// Recent flags (XT_RECENT_*).
const (
	recentCheck  = 1 << 0
	recentSet    = 1 << 1
	recentUpdate = 1 << 2
	recentRemove = 1 << 3
)

func matchRecent(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	seconds, hits := r.u32(), r.u32()
	check, inv := r.u8(), r.flag8()
	name := r.str(200)
	if r.bad {
		return nil, fmt.Errorf("too short")
	}
	r.at = len(r.b)
	if check&recentSet != 0 {
		return RecentSet{Name: name, Inv: inv}, nil
	}
	op := "--rcheck"
	switch {
	case check&recentUpdate != 0:
		op = "--update"
	case check&recentRemove != 0:
		op = "--remove"
	}
	text := "recent " + op
	if seconds > 0 {
		text += fmt.Sprintf(" --seconds %d", seconds)
	}
	if hits > 0 {
		text += fmt.Sprintf(" --hitcount %d", hits)
	}
	return Stateful{"recent", text + " --name " + name}, nil
}

func matchStatistic(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	mode, flags := r.u16(), r.u16()
	a, b := r.u32(), r.u32()
	r.at = len(r.b)
	inv := ""
	if flags&1 != 0 {
		inv = "! "
	}
	if mode == 0 {
		return Stateful{"statistic", fmt.Sprintf("statistic --mode random %s--probability %.5f", inv, float64(a)/0x80000000)}, nil
	}
	return Stateful{"statistic", fmt.Sprintf("statistic --mode nth %s--every %d --packet %d", inv, a+1, b)}, nil
}

func matchTime(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	from, to := r.u32(), r.u32()
	day0, day1 := r.u32(), r.u32()
	_, week, _ := r.u32(), r.u8(), r.u8()
	text := "time"
	if day0 != 0 || day1 != 86399 {
		text += fmt.Sprintf(" --timestart %s --timestop %s", clock(day0), clock(day1))
	}
	if week != 0xfe {
		text += " --weekdays " + weekdays(week)
	}
	if from != 0 {
		text += " --datestart " + time.Unix(int64(from), 0).UTC().Format("2006-01-02T15:04:05")
	}
	if to != 0 && to != 0xffffffff {
		text += " --datestop " + time.Unix(int64(to), 0).UTC().Format("2006-01-02T15:04:05")
	}
	return Time{Text: text}, nil
}

func clock(s uint32) string { return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60) }

func weekdays(bits uint8) string {
	var out []string
	for i, d := range []string{"", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		if i > 0 && bits>>i&1 != 0 {
			out = append(out, d)
		}
	}
	return strings.Join(out, ",")
}
