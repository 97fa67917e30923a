package http1

// Limits bounds what a peer may send. A zero field means its default.
type Limits struct {
	Head      int   // bytes of a whole head, start line and empty line included; default 128 KiB
	Target    int   // bytes of a request target; default 16 KiB
	Fields    int   // field lines of a head; default 1000
	ChunkLine int   // bytes of a chunk-size line with its extensions; default 1 KiB
	Chunk     int64 // bytes of one chunk's data; default 2^60
	Trailer   int   // bytes of a trailer section; default 16 KiB
}

// Defaults of Limits. Head and Target are the documented limits of the edge
// (cloudflare connection-limits, 2026-07-23); the others bound work, far above what real peers send.
const (
	defaultHead      = 128 << 10
	defaultTarget    = 16 << 10
	defaultFields    = 1000
	defaultChunkLine = 1 << 10
	defaultChunk     = 1 << 60
	defaultTrailer   = 16 << 10
)

// DefaultLimits returns the documented limits.
func DefaultLimits() Limits { return Limits{}.withDefaults() }

func (l Limits) withDefaults() Limits {
	if l.Head <= 0 {
		l.Head = defaultHead
	}
	if l.Target <= 0 {
		l.Target = defaultTarget
	}
	if l.Fields <= 0 {
		l.Fields = defaultFields
	}
	if l.ChunkLine <= 0 {
		l.ChunkLine = defaultChunkLine
	}
	if l.Chunk <= 0 {
		l.Chunk = defaultChunk
	}
	if l.Trailer <= 0 {
		l.Trailer = defaultTrailer
	}
	return l
}
