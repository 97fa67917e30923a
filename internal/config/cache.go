package config

import "time"

// Cache bounds what the edge keeps of responses. Zero fields mean the defaults
// of package edge/cache; no disk is used unless it is asked for.
type Cache struct {
	Memory, Object, Disk int64 // bytes
}

// ZoneCache is what of a zone is kept.
type ZoneCache struct {
	Everything    bool // else the default file extensions
	IgnoreQuery   bool
	DefaultTTL    time.Duration // for responses without a lifetime; 0 = by status
	BypassCookies []string      // names; "wp-*" means every name that begins so
	AlwaysOnline  bool
	Banner        bool // tells so on pages that stand in for a failing origin
}

func (v value) cache() Cache {
	var c Cache
	mebibytes := func(dst *int64) func(value) {
		return func(v value) {
			if n, ok := v.integer(1, 1<<20); ok {
				*dst = int64(n) << 20
			}
		}
	}
	v.object(
		key{"memory_mb", mebibytes(&c.Memory)},
		key{"object_mb", mebibytes(&c.Object)},
		key{"disk_mb", mebibytes(&c.Disk)},
	)
	return c
}

func (v value) zoneCache() *ZoneCache {
	c := &ZoneCache{}
	level := "standard"
	if !v.object(
		key{"level", func(v value) { level, _ = v.oneOf("off", "standard", "everything") }},
		key{"ignore_query", func(v value) { c.IgnoreQuery, _ = v.flag() }},
		key{"default_ttl", func(v value) { c.DefaultTTL, _ = v.duration(time.Second, 366*24*time.Hour) }},
		key{"bypass_cookies", func(v value) {
			v.list(func(v value) {
				if s, ok := v.text(); ok {
					c.BypassCookies = append(c.BypassCookies, s)
				}
			})
		}},
		key{"always_online", func(v value) { c.AlwaysOnline, _ = v.flag() }},
		key{"banner", func(v value) { c.Banner, _ = v.flag() }},
	) || level == "off" {
		return nil
	}
	c.Everything = level == "everything"
	return c
}
