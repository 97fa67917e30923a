package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions about the origin host's logs, load and clock.
const (
	QLogs  originward.Question = "logs"
	QLoad  originward.Question = "load"
	QClock originward.Question = "clock"
)

// Logs are the lines of the failure window that bear on the hop, already
// classified by a closed list of kinds.
type Logs struct {
	From    time.Time   `json:"from"`
	To      time.Time   `json:"to"`
	Sources []LogSource `json:"sources"` // every log that was looked for
	Lines   []LogLine   `json:"lines"`   // newest first, bounded per kind
}

// Question names the question.
func (Logs) Question() originward.Question { return QLogs }

// LogSource is one log that was looked for.
type LogSource struct {
	Name  string    `json:"name"`  // file or journal unit
	State string    `json:"state"` // read, missing, rotated, unreadable, empty_window
	Why   string    `json:"why,omitempty"`
	Lines int       `json:"lines"`          // lines inside the window
	Kind  string    `json:"kind,omitempty"` // access, error, kernel, journal, ban, backend …
	First time.Time `json:"first,omitzero"` // of the oldest line that was read inside the window
	Zone  string    `json:"zone,omitempty"` // time zone in which its times were read, where they name none
}

// LogLine is one line, or several equal ones, that match a kind.
type LogLine struct {
	Kind    string     `json:"kind"` // see the Log constants
	Source  string     `json:"source"`
	Program string     `json:"program,omitempty"`
	At      time.Time  `json:"at"` // of the newest
	Count   int        `json:"count"`
	Text    string     `json:"text"` // of the newest, escaped, bounded
	Client  netip.Addr `json:"client,omitzero"`
	CDN     string     `json:"cdn,omitempty"`    // CDN in whose range Client lies
	Target  string     `json:"target,omitempty"` // upstream, file, process, address that the line names
	Errno   int        `json:"errno,omitempty"`
	Status  int        `json:"status,omitempty"`
	Ray     string     `json:"ray,omitempty"`
}

// Kinds of log lines. Blocked SYNs only: a bare RST is LogStrayRST.
const (
	LogBlockedSYN      = "blocked_syn"
	LogStrayRST        = "stray_rst"
	LogConntrackFull   = "conntrack_full"
	LogSYNFlood        = "syn_flood"
	LogOOM             = "oom"
	LogDiskError       = "disk_error"
	LogDiskFull        = "disk_full"
	LogSegfault        = "segfault"
	LogBindFailed      = "bind_failed"
	LogConfigError     = "config_error"
	LogUpstreamRefused = "upstream_refused"
	LogUpstreamTimeout = "upstream_timeout"
	LogUpstreamClosed  = "upstream_closed"
	LogUpstreamTLS     = "upstream_tls"
	LogUpstreamHeader  = "upstream_header_too_big"
	LogUpstreamResolve = "upstream_resolve"
	LogUpstreamDenied  = "upstream_denied"
	LogUpstreamNoPort  = "upstream_no_port" // cannot assign requested address
	LogHeaderTooBig    = "header_too_big"
	LogWorkersFull     = "workers_full"
	LogTooManyFiles    = "too_many_files"
	LogLimited         = "limited" // a request or connection limit refused a client
	LogDenied          = "denied"  // access forbidden by rule
	LogProxyProtocol   = "proxy_protocol"
	LogTLSHandshake    = "tls_handshake"
	LogPlainToTLS      = "plain_to_tls"
	LogClosed444       = "closed_444"
	LogStatus          = "status" // access log lines; those of a success show whose address the client column holds
	LogBan             = "ban"
	LogAVC             = "avc"
	LogChildCrash      = "child_crash"
	LogACME            = "acme"
	LogTunnel          = "tunnel"
	LogUpdater         = "updater"
	LogHTTP2           = "http2"
	LogUpstreamInvalid = "upstream_invalid" // the backend answered something that is not the protocol spoken to it
	LogTLSToPlain      = "tls_to_plain"     // a ClientHello arrived on a port that speaks plain HTTP
	LogSlow            = "slow_request"     // access log lines of requests that took a minute or more; Status is their status
)

// Load is the host's capacity now.
type Load struct {
	CPUs      int                `json:"cpus"`
	Load1     float64            `json:"load1"`
	BusyPct   float64            `json:"busy_pct"` // over the two readings
	StealPct  float64            `json:"steal_pct"`
	MemTotal  uint64             `json:"mem_total"` // bytes
	MemFree   uint64             `json:"mem_available"`
	SwapTotal uint64             `json:"swap_total"`
	SwapFree  uint64             `json:"swap_free"`
	OOMKills  uint64             `json:"oom_kills"` // since boot
	Pressure  map[string]float64 `json:"pressure"`  // "cpu.some", "memory.full", "io.full" …: avg10 in %
	Disks     []Disk             `json:"disks"`
	Boot      time.Time          `json:"boot,omitzero"`
	FilesUsed uint64             `json:"files_used,omitempty"`
	FilesMax  uint64             `json:"files_max,omitempty"`
	Cgroups   []CgroupUse        `json:"cgroups,omitempty"` // units near their own limits
}

// Question names the question.
func (Load) Question() originward.Question { return QLoad }

// Disk is one mounted file system that a web server needs.
type Disk struct {
	Mount     string   `json:"mount"`
	Type      string   `json:"type"`
	Size      uint64   `json:"size"`
	Avail     uint64   `json:"avail"` // to an ordinary user
	Inodes    uint64   `json:"inodes"`
	InodeFree uint64   `json:"inodes_free"`
	ReadOnly  bool     `json:"read_only,omitempty"`
	UsedBy    []string `json:"used_by,omitempty"` // why it matters: log, root, cache, tmp, data
}

// CgroupUse is a unit or container near its own limits.
type CgroupUse struct {
	Unit      string  `json:"unit"`
	Mem       uint64  `json:"mem,omitempty"`
	MemMax    uint64  `json:"mem_max,omitempty"`
	OOMKills  uint64  `json:"oom_kills,omitempty"`
	Throttled float64 `json:"throttled_pct,omitempty"`
	PIDs      uint64  `json:"pids,omitempty"`
	PIDsMax   uint64  `json:"pids_max,omitempty"`
}

// Clock compares the observer's clock with others.
type Clock struct {
	Synced    Tri           `json:"synced"`              // the kernel says that a time service disciplines it
	Offset    time.Duration `json:"offset_ns,omitempty"` // observer minus reference; 0 with an empty Reference means not known
	Reference string        `json:"reference,omitempty"` // whose Date it was compared with
	Zone      string        `json:"zone,omitempty"`
}

// Question names the question.
func (Clock) Question() originward.Question { return QClock }
