package originward

// CauseID names a cause of the catalogue, for example "listener.none". Once
// published an id is never renamed and never reused.
type CauseID string

// Two answers that are not causes but belong to the catalogue's ids.
const (
	Healthy      CauseID = "healthy"      // nothing between edge and origin is broken
	Undetermined CauseID = "undetermined" // broken, and the evidence that would decide is missing
)

// Where is the place at which a cause is fixed.
type Where string

// The places at which something can be fixed.
const (
	WhereHost     Where = "host"
	WhereCDN      Where = "cdn"
	WhereNetwork  Where = "network"
	WhereProvider Where = "provider"
	WhereVisitor  Where = "visitor"
)
