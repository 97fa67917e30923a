package nfnl

// Subsystems of nfnetlink (include/uapi/linux/netfilter/nfnetlink.h).
const (
	SubsysIPSet    = 6
	SubsysNFTables = 10
)

// Message is one netfilter message: the type within its subsystem, the protocol family, the resource id, and the
// attributes. Attrs is valid until the callback that received it returns.
type Message struct {
	Type   uint16 // full type: subsystem << 8 | message
	Flags  uint16
	Family uint8
	ResID  uint16
	Attrs  []byte
}
