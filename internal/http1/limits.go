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
